// Asks the server what it makes of the form's body.
export async function check(area, url) {
  const data = new FormData(area.form);
  // One that may only be read is none of the form's values.
  data.set(area.name, area.value);
  // A file or a button has no part in this.
  for (const [name, value] of [...data]) if (value instanceof File) data.delete(name);
  const answer = await fetch(url, { method: "POST", body: data, credentials: "same-origin" });
  if (!answer.ok || answer.redirected) throw new Error(`answered ${answer.status}`);
  return answer.json();
}

const SEVERITY = { error: "error", warning: "warning", hint: "info" };

export function diagnostics(found, length) {
  const within = (at) => Math.max(0, Math.min(at, length));
  return found.findings
    .filter((one) => one.field === "body")
    .map((one) => ({
      from: within(one.from),
      to: Math.max(within(one.from), within(one.to)),
      severity: SEVERITY[one.severity],
      message: `${one.message} ${one.advice}`.trim(),
    }));
}
