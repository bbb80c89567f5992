// Looks for news every few seconds and exchanges what is marked with data-live, as long as something goes on.
"use strict";
(() => {
  const EVERY_MS = 3000;
  const LONGEST_MS = 60000;
  let wait = EVERY_MS;

  async function look() {
    if (!document.hidden) {
      try {
        const answer = await fetch(location.href, { redirect: "error", cache: "no-store" });
        if (!answer.ok) throw new Error(String(answer.status));
        const page = new DOMParser().parseFromString(await answer.text(), "text/html");
        for (const old of document.querySelectorAll("[data-live]")) {
          const fresh = page.getElementById(old.id);
          // What somebody is at with the keyboard stays where it is.
          if (fresh && !old.contains(document.activeElement) && fresh.innerHTML !== old.innerHTML) {
            old.replaceWith(document.adoptNode(fresh));
          }
        }
        wait = EVERY_MS;
        if (!page.querySelector("script[src]")) return; // nothing goes on any more
      } catch {
        wait = Math.min(2 * wait, LONGEST_MS);
      }
    }
    setTimeout(look, wait);
  }

  setTimeout(look, wait);
})();
