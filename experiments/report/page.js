// Draws every specification of the page, and draws again when the screen changes between light and dark.
(function () {
  "use strict";

  const dark = window.matchMedia("(prefers-color-scheme: dark)");

  function theme() {
    const style = getComputedStyle(document.documentElement);
    const color = (name) => style.getPropertyValue("--" + name).trim();
    const sans = color("sans");
    const small = window.innerWidth < 640;
    return {
      aria: false,  // the box is the image; its table says the numbers
      background: "transparent",
      font: sans,
      padding: { left: 0, right: 6, top: 4, bottom: 8 },
      view: { stroke: null },
      range: { category: [color("theta"), color("phi")] },
      axis: {
        labelColor: color("ink"), titleColor: color("soft"), gridColor: color("faint"), domainColor: color("line"),
        tickColor: color("line"), labelFontSize: 12, titleFontSize: 12, titleFontWeight: "normal", titlePadding: 8,
        labelLimit: small ? 90 : 260, labelPadding: 6,
      },
      legend: {
        labelColor: color("ink"), titleColor: color("soft"), labelFontSize: 12, symbolStrokeColor: color("ink"),
        layout: { bottom: { anchor: "start", direction: small ? "vertical" : "horizontal", margin: 6 } },
      },
      point: { opacity: 1 },
      style: {
        reference: { color: color("soft"), strokeWidth: 1, strokeDash: [3, 3] },
        bound: { color: color("soft"), strokeWidth: 1, strokeDash: [5, 4] },
        ring: { fill: color("paper"), strokeWidth: 2 },
        title: { color: color("ink"), fontWeight: 600, fontSize: 12.5 },
        value: { color: color("soft"), fontSize: 11.5 },
        paper: { color: color("ink"), strokeWidth: 1.6, fill: color("paper") },
        around: { color: color("ink"), strokeWidth: 1.3, fill: "transparent" },
        words: { color: color("soft"), fontStyle: "italic", fontSize: 12 },
      },
    };
  }

  async function draw(box, spec) {
    try {
      return await vegaEmbed(box, spec, {
        mode: "vega-lite", renderer: "svg", ast: true, actions: false, defaultStyle: false, config: theme(),
        tooltip: { disableDefaultStyle: true },
      });
    } catch (error) {
      box.textContent = "This plot could not be drawn; the table below has its numbers.";
      console.error(error);
      return null;
    }
  }

  const charts = Array.from(document.querySelectorAll("script[data-chart]"), (script) => ({
    box: document.getElementById(script.dataset.chart),
    spec: JSON.parse(script.textContent),
    drawn: null,
  }));

  let queue = Promise.resolve();
  function draw_all() {
    queue = queue.then(async () => {
      for (const chart of charts) {
        if (chart.drawn) chart.drawn.finalize();
        chart.drawn = await draw(chart.box, chart.spec);
      }
      document.documentElement.dataset.drawn = String(Number(document.documentElement.dataset.drawn || 0) + 1);
    });
  }

  draw_all();
  dark.addEventListener("change", draw_all);
  window.matchMedia("(max-width: 640px)").addEventListener("change", draw_all);
})();
