// Live updates of a page that works without this: told that something has changed, it asks for itself again.
"use strict";
(() => {
  const body = document.body;
  const offline = document.getElementById("offline");
  const PAUSE = 700, POLL = 2000, ANSWER = 5000, SILENCE = 40000;
  let source = null, timer = 0, due = Infinity, last = -PAUSE, asking = null, again = false, heard = 0;

  // Make `old` like `fresh` in place, so that focus, scrolling and what is typed stay.
  const attributes = (old, fresh) => {
    for (const { name } of [...old.attributes]) if (!fresh.hasAttribute(name) && name !== "open") old.removeAttribute(name);
    for (const { name, value } of fresh.attributes) if (old.getAttribute(name) !== value) old.setAttribute(name, value);
  };
  const alike = (old, fresh) => old.nodeType === fresh.nodeType && old.nodeName === fresh.nodeName && (old.id || "") === (fresh.id || "");
  const morph = (old, fresh) => {
    if (old.nodeType !== Node.ELEMENT_NODE) {
      if (old.nodeValue !== fresh.nodeValue) old.nodeValue = fresh.nodeValue;
      return;
    }
    attributes(old, fresh);
    let at = old.firstChild;
    for (const child of [...fresh.childNodes]) {
      let match = at;
      if (child.id) while (match && match.id !== child.id) match = match.nextSibling;
      if (match && alike(match, child)) {
        if (match === at) at = at.nextSibling; else old.insertBefore(match, at);
        morph(match, child);
      } else old.insertBefore(child, at);
    }
    while (at) { const next = at.nextSibling; at.remove(); at = next; }
  };

  const refresh = async () => {
    if (asking) { again = true; return; }
    const limit = asking = new AbortController(), end = setTimeout(() => limit.abort(), ANSWER);
    last = performance.now();
    try {
      const answer = await fetch(location.href, { headers: { "X-Live": "1" }, cache: "no-store", redirect: "error", signal: limit.signal });
      if (answer.status === 401) { location.reload(); return; }
      if (answer.status >= 500) throw new Error(String(answer.status));
      const page = new DOMParser().parseFromString(await answer.text(), "text/html");
      document.title = page.title;
      morph(document.getElementById("main"), page.getElementById("main"));
      attributes(body, page.body);
      offline.hidden = true;
      clock();
    } catch { offline.hidden = false; }
    clearTimeout(end);
    asking = null;
    if (again) { again = false; soon(); }
    else if (!offline.hidden) soon(POLL);
    if ("poll" in body.dataset) soon(POLL);
  };
  // At once, but no more often than every PAUSE; what is due sooner already stays so.
  const soon = (delay = 0) => {
    const now = performance.now(), at = Math.max(now + delay, last + PAUSE);
    if (document.hidden || at >= due) return;
    clearTimeout(timer);
    due = at;
    timer = setTimeout(() => { due = Infinity; refresh(); }, at - now);
  };
  const listen = () => {
    if (source || !("live" in body.dataset)) return;
    source = new EventSource("/ui/events");
    heard = Date.now() - SILENCE + ANSWER; // the first word comes at once
    source.addEventListener("alive", () => { heard = Date.now(); });
    source.addEventListener("changed", (event) => { heard = Date.now(); if (JSON.parse(event.data).version !== body.dataset.version) soon(); });
    source.onerror = () => {
      if (source && source.readyState === EventSource.CLOSED) { source = null; setTimeout(() => { if (!document.hidden) listen(); }, 5000); }
      soon();
    };
  };
  const stop = () => { if (source) source.close(); source = null; due = Infinity; clearTimeout(timer); };
  // A connection may die without a word, as while a laptop sleeps. The box says something at least every 15 s.
  setInterval(() => {
    if (!source || Math.abs(Date.now() - heard) < SILENCE) return;
    if (asking) asking.abort();
    stop(); listen(); refresh();
  }, 2000);

  const clock = () => {
    const seconds = Math.abs(Date.now() - Date.parse(body.dataset.now)) / 1000;
    const note = document.getElementById("clock"), { minutes, hours, days } = note.dataset;
    const [text, unit] = seconds < 5400 ? [minutes, 60] : seconds < 172800 ? [hours, 3600] : [days, 86400];
    note.querySelector("span").textContent = text.replace("#", Math.round(seconds / unit));
    note.hidden = !(seconds > 300);
  };

  const looks = () => "live" in body.dataset || "poll" in body.dataset;

  // A second tap does nothing; the box would take it for the same one anyway.
  document.addEventListener("submit", (event) => {
    const button = event.target.method === "post" && event.target.querySelector("button");
    if (button) setTimeout(() => { button.disabled = true; });
    if (button && "download" in event.target.dataset) setTimeout(() => { button.disabled = false; }, 5000);
  });
  addEventListener("pageshow", (event) => {
    for (const button of document.querySelectorAll("button:disabled")) button.disabled = false;
    if (!event.persisted) clock();
    if (!document.hidden) { listen(); if (event.persisted && looks()) refresh(); }
  });
  addEventListener("pagehide", stop);
  document.addEventListener("visibilitychange", () => {
    if (document.hidden) stop();
    else if (looks()) { listen(); refresh(); }
  });
  if ("poll" in body.dataset) soon(POLL);

  // A file in chunks. Each is durable on the box when it is answered, so that a lost connection costs one, and a reload as well.
  const form = document.getElementById("upload");
  const LEAST = 1 << 18, MOST = 1 << 23, FAST = 4000, PATIENCE = 3000;
  const tell = (text) => { form.querySelector("[role=status]").textContent = text; };
  const ask = async (method, path, headers, body) => {
    const answer = await fetch(path, { method, headers, body, redirect: "error", signal: AbortSignal.timeout(60000) });
    if (answer.ok || answer.headers.has("Upload-Offset")) return answer;
    if (answer.status === 401) throw form.dataset.login;
    if (answer.status >= 500 && answer.status !== 507 || answer.status === 409 && method === "PUT") throw new Error(String(answer.status));
    throw new DOMParser().parseFromString(await answer.text(), "text/html").querySelector("main [role=alert]").textContent.trim();
  };
  const send = async (files) => {
    const [first] = files.sort((one, other) => one.name < other.name ? -1 : 1);
    const file = new Blob(files), bar = form.querySelector("progress");
    const announced = JSON.stringify({ name: first.name, size: file.size, mark: String(first.lastModified) });
    let size = LEAST, path = "";
    bar.hidden = false;
    for (;;) {
      try {
        const upload = await (await ask("POST", "/ui/uploads", { "Content-Type": "application/json" }, announced)).json();
        path = `/ui/uploads/${upload.id}`;
        for (let at = upload.offset; at < file.size;) {
          const began = Date.now();
          const answer = await ask("PUT", path, { "Upload-Offset": at }, file.slice(at, at + size));
          at = Number(answer.headers.get("Upload-Offset"));
          size = Math.min(MOST, Date.now() - began < FAST ? size * 2 : Math.max(LEAST, size / 2));
          bar.value = 100 * at / file.size;
          tell(form.dataset.percent.replace("#", Math.floor(bar.value)));
        }
        location.href = path;
        return;
      } catch (error) {
        if (typeof error === "string") { tell(error); return; }
        try { await file.slice(0, 1).arrayBuffer(); } catch { tell(form.dataset.lost); return; }
        tell(form.dataset.wait);
        size = LEAST;
        await new Promise((resolve) => { setTimeout(resolve, PATIENCE); });
      }
    }
  };
  if (form) {
    form.hidden = false;
    form.previousElementSibling.remove(); // what to do without a script
    form.addEventListener("submit", async (event) => {
      event.preventDefault();
      const button = form.querySelector("button");
      button.disabled = true;
      await send([...form.querySelector("input").files]);
      button.disabled = false;
    });
  }
})();
