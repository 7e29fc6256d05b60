// Light or dark: the system's choice, or the reader's, which is remembered. A classic script in the head, so that
// it has decided before the first paint.

(() => {
  const NAME = "gateway-theme";
  const CHOICES = ["auto", "light", "dark"];
  const root = document.documentElement;

  function recall() {
    try {
      const kept = localStorage.getItem(NAME);
      return CHOICES.includes(kept) ? kept : "auto";
    } catch {
      return "auto"; // storage is forbidden here: the choice lasts as long as the page
    }
  }

  function remember(choice) {
    try {
      localStorage.setItem(NAME, choice);
    } catch {
      // as above
    }
  }

  function apply(choice) {
    root.dataset.theme = choice;
    root.dispatchEvent(new Event("themechange"));
  }

  apply(recall());
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => apply(root.dataset.theme));
  document.addEventListener("DOMContentLoaded", () => {
    const choice = document.getElementById("theme");
    choice.value = root.dataset.theme;
    choice.addEventListener("change", () => {
      apply(choice.value);
      remember(choice.value);
    });
  });
})();
