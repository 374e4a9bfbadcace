// Before anything is painted: the colours that were chosen last, where any were.
{
  let chosen = null;
  try {
    chosen = localStorage.getItem("splitplan-theme");
  } catch {
    // A browser that keeps nothing has the system's.
  }
  if (chosen === "light" || chosen === "dark") {
    document.documentElement.dataset.theme = chosen;
  }
}
