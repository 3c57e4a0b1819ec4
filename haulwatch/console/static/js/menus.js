// Menus are native <details>; one that is open closes when somebody clicks elsewhere or presses Escape.
export function startMenus() {
  addEventListener("click", (event) => close((menu) => !menu.contains(event.target)));
  addEventListener(
    "keydown",
    (event) => {
      if (event.key !== "Escape" || !close(() => true)) return;
      event.stopImmediatePropagation();
      event.preventDefault();
    },
    { capture: true },
  );
}

function close(wanted) {
  const menus = [...document.querySelectorAll("details.menu[open]")].filter(wanted);
  for (const menu of menus) {
    menu.open = false;
    if (menu.contains(document.activeElement)) menu.querySelector("summary").focus();
  }
  return menus.length > 0;
}
