/** Shows how far a plan has come as it is told, and the whole page anew when it has ended. */
export function follow(shown) {
  const bar = shown.querySelector("progress");
  const stage = shown.querySelector("[data-stage]");
  const figures = shown.querySelector("[data-figures]");
  const source = new EventSource(shown.dataset.follow);
  source.addEventListener("progress", (event) => {
    const plan = JSON.parse(event.data);
    const { fraction, stage: at = "planned", objective = null, bound = null, gap = null } = plan.progress;
    bar.value = fraction;
    const said = `${plan.status === "queued" ? "Waits for a worker" : at}, ${Math.round(100 * fraction)} %`;
    if (stage.textContent !== said) stage.textContent = said;
    if (objective !== null && bound !== null) {
      figures.textContent =
        `best so far ${objective.toPrecision(4)}, no plan below ${bound.toPrecision(4)}` +
        (gap === null ? "" : `, gap ${(100 * gap).toPrecision(2)} %`);
    }
  });
  source.addEventListener("end", () => {
    source.close();
    stage.textContent = "Ended: the page is shown anew";
    location.reload();
  });
  addEventListener("pagehide", () => source.close());
}
