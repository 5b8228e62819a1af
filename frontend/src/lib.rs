//! The WebAssembly entry: takes over the page that the server drew. All else is in `apiverse-app`.

use leptos::prelude::*;
use wasm_bindgen::prelude::wasm_bindgen;

/// Called by the page's script when the module has been loaded.
#[wasm_bindgen]
pub fn hydrate() {
    wasm_bindgen_futures::spawn_local(async {
        let path = window().location().pathname().unwrap_or_default();
        // A page whose code did not come stays what the server drew: links and forms still work.
        if apiverse_app::areas::load(&path).await {
            leptos::mount::hydrate_body(apiverse_app::App);
            // Tests and curious people can see from here on that the page answers to a script.
            if let Some(root) = document().document_element() {
                let _ = root.set_attribute("data-hydrated", "");
            }
        }
    });
}
