// Puts a copy button beside every command. Without it, a tap selects the command.
"use strict";
const said = document.createElement("p");
said.className = "unseen";
said.setAttribute("role", "status");
document.body.append(said);

async function copy(button, text) {
  try {
    await navigator.clipboard.writeText(text);
    said.textContent = "Copied";
    button.textContent = "copied";
  } catch {
    getSelection().selectAllChildren(button.previousElementSibling);
    button.textContent = "selected";
    said.textContent = "Selected; copy it with your keyboard";
  }
  setTimeout(() => { button.textContent = "copy"; }, 2000);
}

for (const command of document.querySelectorAll("pre > code")) {
  if (command.textContent.trim().startsWith("#")) continue;
  const button = document.createElement("button");
  button.type = "button";
  button.className = "copy";
  button.textContent = "copy";
  button.setAttribute("aria-label", "Copy: " + command.textContent.trim().slice(0, 80));
  button.addEventListener("click", () => copy(button, command.textContent.trim()));
  command.after(button);
}
