// Explains what is pointed at or has the keyboard: one element for all of `[data-tip]`, which it describes to screen
// readers too. Escape puts it away (WCAG 2.2, 1.4.13).

const tip = document.createElement("div");
tip.id = "tip";
tip.setAttribute("role", "tooltip");
tip.hidden = true;
let shownFor = null;

function show(target) {
  if (shownFor === target) return;
  hide();
  shownFor = target;
  tip.textContent = target.dataset.tip;
  tip.hidden = false;
  target.setAttribute("aria-describedby", "tip");
  const box = target.getBoundingClientRect();
  const left = Math.min(Math.max(8, box.left), innerWidth - tip.offsetWidth - 8);
  const below = box.bottom + 6 + tip.offsetHeight < innerHeight;
  tip.style.left = `${left}px`;
  tip.style.top = `${below ? box.bottom + 6 : box.top - tip.offsetHeight - 6}px`;
}

function hide() {
  shownFor?.removeAttribute("aria-describedby");
  shownFor = null;
  tip.hidden = true;
}

/** Begin to explain. */
export function startTips(root) {
  root.body.append(tip);
  const over = (event) => {
    const target = event.target.closest?.("[data-tip]");
    if (target) show(target);
    else if (event.target !== tip) hide();
  };
  root.addEventListener("pointerover", over);
  root.addEventListener("focusin", over);
  root.addEventListener("focusout", hide);
  root.addEventListener("scroll", hide, true);
  root.addEventListener("keydown", (event) => {
    if (event.key === "Escape") hide();
  });
}
