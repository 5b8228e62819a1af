// Asks the browser's authenticator on behalf of a button with `data-passkey`, and posts the form
// around it with the answer. `data-passkey` says what for ("create" or "get"), `data-from` where
// the question comes from.

const REASONS = {
  NotAllowedError: "It was cancelled, or took too long. Try again.",
  InvalidStateError: "There is a passkey for this account on this device already.",
  SecurityError: "Passkeys do not work at this address.",
};

export async function run(button) {
  const form = button.closest("form");
  const out = form.querySelector("[data-passkey-says]");
  const say = (text) => {
    if (out) out.textContent = text;
  };
  const creates = button.dataset.passkey === "create";
  if (creates && !form.reportValidity()) return;
  const kind = window.PublicKeyCredential;
  if (!kind?.parseRequestOptionsFromJSON || !kind.parseCreationOptionsFromJSON) {
    say("This browser has no passkeys, or not over a connection like this one.");
    return;
  }
  say("");
  button.disabled = true;
  try {
    const token = form.elements.namedItem("mfa_token")?.value;
    const answer = await fetch(button.dataset.from, {
      method: "POST",
      headers: { accept: "application/json", ...(token ? { "content-type": "application/json" } : {}) },
      body: token ? JSON.stringify({ mfa_token: token }) : undefined,
    });
    const asked = await answer.json();
    if (!answer.ok) {
      say(asked.detail ?? "That did not work. Try again.");
      return;
    }
    const credential = creates
      ? await navigator.credentials.create({ publicKey: kind.parseCreationOptionsFromJSON(asked.options) })
      : await navigator.credentials.get({ publicKey: kind.parseRequestOptionsFromJSON(asked.options) });
    form.elements.namedItem("ceremony").value = asked.ceremony;
    form.elements.namedItem("credential").value = JSON.stringify(credential.toJSON());
    form.submit();
  } catch (error) {
    say(REASONS[error.name] ?? "That did not work. Try again.");
  } finally {
    button.disabled = false;
  }
}
