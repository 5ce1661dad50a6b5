// Dash shows nothing when the server is gone. This says so, and takes it back when the server answers again.
(function () {
  const plain = window.fetch;
  let failing = false;
  function say(text) {
    let bar = document.getElementById('connection');
    if (!bar) {
      bar = document.createElement('div');
      bar.id = 'connection';
      bar.className = 'net';
      bar.setAttribute('role', 'status');
      bar.setAttribute('aria-live', 'polite');
      document.body.appendChild(bar);
    }
    bar.textContent = text;
    bar.hidden = !text;
    failing = Boolean(text);
  }
  window.fetch = function (what) {
    const url = typeof what === 'string' ? what : what.url || String(what);
    const ours = url.indexOf('/_dash-') >= 0 || url.indexOf('/api/') >= 0;
    return plain.apply(this, arguments).then(
      function (answer) {
        if (!ours) return answer;
        // the session is over: what the page shows is for nobody any more
        if (answer.status === 401) {
          window.location.assign('/login?next=' + encodeURIComponent(window.location.pathname + window.location.search));
        }
        if (answer.status >= 502) say('The server is restarting: what you see may be old. Trying again …');
        else if (failing) say('');
        return answer;
      },
      function (error) {
        // a request that we gave up ourselves tells nothing about the server
        if (ours && error.name !== 'AbortError') say('Connection lost: what you see may be old. Trying again …');
        throw error;
      });
  };
})();
