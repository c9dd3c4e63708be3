// The body as a tree: a press leads to the text, the text's cursor marks its node.
export function drawTree(root, nodes, goTo) {
  const list = document.createElement("ul");
  const lists = [list];
  const buttons = nodes.map((node) => {
    lists.length = node.depth + 1;
    const item = document.createElement("li");
    const button = document.createElement("button");
    button.type = "button";
    button.append(part("tree-key", node.label), " ", part(`body-node-${node.kind}`, node.text));
    button.addEventListener("click", () => goTo(node.from));
    item.append(button);
    lists[node.depth].append(item);
    const below = document.createElement("ul");
    item.append(below);
    lists.push(below);
    return button;
  });
  for (const empty of list.querySelectorAll("ul:empty")) empty.remove();
  root.replaceChildren(list);
  return (at) => mark(buttons, nodes, at);
}

// The innermost node around the cursor; nodes come in the text's order.
function mark(buttons, nodes, at) {
  let inner = -1;
  nodes.forEach((node, index) => {
    if (node.key <= at && at <= node.to) inner = index;
  });
  buttons.forEach((button, index) => {
    if (index === inner) button.setAttribute("aria-current", "true");
    else button.removeAttribute("aria-current");
  });
  if (inner >= 0 && buttons[inner].closest("details")?.open !== false) {
    const box = buttons[inner].closest("[data-tree]");
    const top = buttons[inner].offsetTop - box.offsetTop;
    if (top < box.scrollTop || top > box.scrollTop + box.clientHeight - 30) box.scrollTop = top - 60;
  }
}

function part(className, text) {
  const span = document.createElement("span");
  span.className = className;
  span.textContent = text;
  return span;
}
