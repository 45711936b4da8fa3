// How many of the suggested moves are chosen.

const form = document.getElementById("balance");
const told = document.getElementById("chosen");

function tell() {
  const boxes = [...form.querySelectorAll("[name=move]")];
  const n = boxes.filter((b) => b.checked).length;
  told.textContent = `${n} of ${boxes.length} chosen`;
  form.querySelector(".primary").disabled = n === 0;
}

if (form && told) {
  form.addEventListener("change", tell);
  tell();
}
