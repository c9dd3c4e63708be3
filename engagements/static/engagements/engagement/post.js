// Engagement Creation: the form as it is typed, sent to the server.
export async function post(url, data) {
  const response = await fetch(url, {method: "POST", body: data, credentials: "same-origin"});
  if (!response.ok) throw new Error(`The server answered ${response.status}`);
  return response.text();
}
