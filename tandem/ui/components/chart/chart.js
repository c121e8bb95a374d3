// A Plotly figure that is updated in place: same element, so the user's zoom and hidden
// traces stay. The server sends columns once and traces that name them ("$spread"); colours are names of
// the palette ("@y"), so that dark and light need no second figure.

const PALETTES = {
  dark: {
    text: "#e6e8ee", muted: "#8e96a6", grid: "#1f2530", edge: "#2b3240", paper: "#151a22",
    y: "#f2b84b", x: "#6ea8fe", spread: "#b99cf6", z: "#e6e8ee", good: "#35c9a5", bad: "#ff7b86",
    band: "rgba(185,156,246,0.10)", rest: "rgba(142,150,166,0.10)", candles: "rgba(242,184,75,0.07)", volume: "rgba(142,150,166,0.45)", other: "#7d869a",
  },
  light: {
    text: "#1b2130", muted: "#5a6376", grid: "#e9edf2", edge: "#ccd3dd", paper: "#ffffff",
    y: "#b87400", x: "#2563eb", spread: "#7340d6", z: "#1b2130", good: "#0b8568", bad: "#c42b3a",
    band: "rgba(115,64,214,0.09)", rest: "rgba(90,99,118,0.08)", candles: "rgba(168,106,0,0.06)", volume: "rgba(90,99,118,0.40)", other: "#7a8496",
  },
};

// Plotly is 4.8 MB: it is fetched once per page, relative to where the app is mounted.
function plotly() {
  if (window.Plotly) return Promise.resolve(window.Plotly);
  if (!window.tandemPlotly) {
    window.tandemPlotly = new Promise((resolve, reject) => {
      const script = document.createElement("script");
      script.src = new URL("app/static/plotly.min.js", document.baseURI).href;
      script.onload = () => resolve(window.Plotly);
      script.onerror = () => {
        window.tandemPlotly = null;
        reject(new Error("plotly.min.js did not load"));
      };
      document.head.appendChild(script);
    });
  }
  return window.tandemPlotly;
}

// Replaces "@colour" and "$column" wherever they stand; number arrays are passed through.
function fill(value, palette, columns) {
  if (typeof value === "string") {
    if (value[0] === "@") return palette[value.slice(1)] ?? palette.text;
    if (value[0] === "$") return columns[value.slice(1)] ?? [];
    return value;
  }
  if (Array.isArray(value)) {
    return value.length && typeof value[0] === "number" ? value : value.map((item) => fill(item, palette, columns));
  }
  if (value && typeof value === "object") {
    return Object.fromEntries(Object.entries(value).map(([name, item]) => [name, fill(item, palette, columns)]));
  }
  return value;
}

// On a phone the legend keeps what shares the first panel and stands above that panel's title.
function narrow(layout, traces) {
  layout.margin = { ...layout.margin, l: 54, r: 52 };
  const plot = layout.height - layout.margin.t - layout.margin.b;
  const titled = layout.annotations.some((note) => note.yref === "paper" && note.x === 0 && note.y === 1);
  layout.legend = { ...layout.legend, font: { size: 11 }, y: titled ? 1 + 18 / plot : 1, x: 0, xanchor: "left" };
  for (const trace of traces) if (trace.yaxis && trace.yaxis !== "y") trace.showlegend = false;
}

async function draw(root) {
  if (root.drawing) return;
  root.drawing = true;
  try {
    const Plotly = await plotly();
    while (root.wanted) {
      const { data, mode } = root.wanted;
      root.wanted = null;
      const palette = PALETTES[mode];
      const layout = fill(data.layout, palette, data.columns);
      const traces = fill(data.traces, palette, data.columns);
      if (root.clientWidth < 640) narrow(layout, traces);
      layout.font = { ...layout.font, family: getComputedStyle(root).fontFamily };
      await Plotly.react(root.querySelector(".figure"), traces, layout, CONFIG);
      root.dataset.version = data.version;
      root.dataset.mode = mode;
    }
  } catch (error) {
    root.querySelector(".trouble").textContent =
      "The chart could not be drawn. The numbers above are not affected; reload the page to try again.";
    console.error(error);
  } finally {
    root.drawing = false;
  }
}

// No button may send a chart to another machine.
const CONFIG = {
  displaylogo: false,
  responsive: true,
  showSendToCloud: false,
  plotlyServerURL: "",
  modeBarButtonsToRemove: ["lasso2d", "select2d", "toImage", "sendChartToCloud"],
};

// A question or its answer may be lost on the way.
const ASK_AGAIN_MS = 2000;

export default function ({ data: bytes, parentElement, setTriggerValue }) {
  const root = parentElement.querySelector(".tandem-chart");
  const mode = modeOf(root);
  const told = JSON.parse(new TextDecoder().decode(bytes));
  if (told.layout) {
    root.figure = told;
    root.asked = 0;
  }
  // A refresh names what was sent before: this element may be newer than that, or have missed it.
  if (root.figure?.version !== told.version) {
    if (Date.now() - (root.asked ?? 0) < ASK_AGAIN_MS) return;
    root.asked = Date.now();
    setTriggerValue("lacks", told.version);
    return;
  }
  const data = root.figure;
  if (root.dataset.version === data.version && root.dataset.mode === mode) return;
  root.style.minHeight = `${data.layout.height}px`;
  root.wanted = { data, mode };
  draw(root);
  return () => { if (!root.isConnected && window.Plotly) window.Plotly.purge(root.querySelector(".figure")); };
}
