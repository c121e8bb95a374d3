// Shows what rules have just raised, in a corner that moves nothing. Text is placed as text.

// What was put away stays away, also where this is loaded again.
const away = (globalThis.tandemPutAway ??= new Set());

function made(id) {
  const toast = node("div", "toast");
  toast.dataset.id = id;
  const said = node("div", "said");
  said.append(node("b"), node("small"));
  const close = node("button");
  close.type = "button";
  close.textContent = "\u00d7";
  close.setAttribute("aria-label", "Dismiss");
  close.addEventListener("click", () => {
    away.add(id);
    toast.remove();
  });
  toast.append(node("span", "icon"), said, close);
  return toast;
}

export default function ({ data, parentElement }) {
  const root = parentElement.querySelector(".toasts");
  const mode = modeOf(root);
  if (root.dataset.mode !== mode) root.dataset.mode = mode;
  const wanted = data.toasts.filter((one) => !away.has(one.id));
  const ids = new Set(wanted.map((one) => one.id));
  const there = new Map();
  for (const toast of [...root.children]) {
    if (ids.has(toast.dataset.id)) there.set(toast.dataset.id, toast);
    else toast.remove();
  }
  wanted.forEach((one, index) => {
    const toast = there.get(one.id) ?? made(one.id);
    if (root.children[index] !== toast) root.insertBefore(toast, root.children[index] ?? null);
    if (toast.dataset.tone !== one.tone) toast.dataset.tone = one.tone;
    const [icon, said] = toast.children;
    set(icon, one.icon);
    set(said.firstElementChild, one.title);
    set(said.lastElementChild, one.text);
  });
}
