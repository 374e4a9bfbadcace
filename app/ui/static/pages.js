// What pages do beyond what they show: all of it works without.
import { switchThemes } from "./switch.js";
import { follow } from "./follow.js";

switchThemes(document.querySelector("[data-theme-switch]"));
for (const progress of document.querySelectorAll("[data-follow]")) {
  follow(progress);
}
