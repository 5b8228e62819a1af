"use strict";
document.getElementById("credentials").addEventListener("submit", (event) => event.preventDefault());
for (const details of document.querySelectorAll("details.try")) {
  details.hidden = false;
  const form = details.querySelector("form");
  form.addEventListener("submit", async (event) => {
    event.preventDefault();
    const output = form.querySelector("output");
    let path = form.dataset.path;
    const query = new URLSearchParams();
    for (const input of form.querySelectorAll("input")) {
      if (input.dataset.in === "path") {
        // The gateway's rest of a path keeps its slashes.
        const value = input.name === "path" ? input.value : encodeURIComponent(input.value);
        path = path.replace("{" + input.name + "}", () => value);
      } else if (input.value) {
        query.set(input.name, input.value);
      }
    }
    const headers = {};
    const token = document.getElementById("token").value.trim();
    if (token) headers[path.startsWith("/proxy/") ? "X-API-Key" : "Authorization"] =
      path.startsWith("/proxy/") ? token : "Bearer " + token;
    const options = { method: form.dataset.method.toUpperCase(), headers };
    const body = form.querySelector("textarea");
    if (body && body.value.trim()) {
      headers["Content-Type"] = "application/json";
      options.body = body.value;
    }
    output.textContent = "…";
    try {
      const started = performance.now();
      const answer = await fetch(path + (query.size ? "?" + query : ""), options);
      let text = await answer.text();
      const milliseconds = Math.round(performance.now() - started);
      try { text = JSON.stringify(JSON.parse(text), null, 2); } catch { /* not JSON */ }
      output.textContent = answer.status + " " + answer.statusText + ", " + milliseconds + " ms\n"
        + "x-request-id: " + answer.headers.get("x-request-id") + "\n\n" + text;
    } catch (error) {
      output.textContent = "The request could not be sent: " + error.message;
    }
  });
}
