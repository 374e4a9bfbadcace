const CHOICES = ["system", "light", "dark"];
const SHOWN = { system: "◐", light: "☀", dark: "☾" };
const SAID = { system: "as the system has them", light: "light", dark: "dark" };

/** A button that goes through the colours, and remembers the choice. */
export function switchThemes(button) {
  if (!button) return;
  const root = document.documentElement;
  const show = () => {
    const chosen = root.dataset.theme ?? "system";
    button.textContent = SHOWN[chosen];
    button.setAttribute("aria-label", `Colours: ${SAID[chosen]}`);
    button.title = `Colours: ${SAID[chosen]}`;
  };
  button.addEventListener("click", () => {
    const chosen = CHOICES[(CHOICES.indexOf(root.dataset.theme ?? "system") + 1) % CHOICES.length];
    if (chosen === "system") delete root.dataset.theme;
    else root.dataset.theme = chosen;
    try {
      localStorage.setItem("splitplan-theme", chosen);
    } catch {
      // It lasts as long as the page.
    }
    show();
  });
  show();
  button.hidden = false;
}
