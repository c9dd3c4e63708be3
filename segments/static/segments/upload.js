// The page of an upload says of a file that is too large before it is sent. Without this
// the server says it.
const input = document.querySelector("input[type=file][data-most]");
const error = document.getElementById("file-error");

function check() {
  const [file] = input.files;
  const most = Number(input.dataset.most);
  const said =
    file && file.size > most
      ? `“${file.name}” has ${file.size.toLocaleString("en")} bytes; a file has at most ${most.toLocaleString("en")}. Split it.`
      : "";
  error.textContent = said;
  input.setCustomValidity(said);
}

input?.addEventListener("change", check);
