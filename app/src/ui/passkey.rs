//! The parts of a form that a passkey answers. The browser's side is `/passkeys.js`, which is
//! loaded when such a button is pressed.

use leptos::prelude::*;

/// A button that asks for a passkey and posts its form with the answer. `does` is `create` or
/// `get`; `from` is where the question comes from.
pub fn passkey_button(
    text: &'static str,
    class: &'static str,
    does: &'static str,
    from: &'static str,
) -> AnyView {
    view! {
        <input type="hidden" name="ceremony" />
        <input type="hidden" name="credential" />
        <button type="button" class=class data-passkey=does data-from=from>
            {text}
        </button>
        <p class="text-sm text-bad" role="alert" data-passkey-says></p>
    }
    .into_any()
}
