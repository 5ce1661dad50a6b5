// Dash keeps every change of a page so that it could be undone, with what it showed before. Nothing here is undone, and
// a page that is open all day would hold all that it ever showed.
(function () {
  const MOST = 20;
  setInterval(function () {
    const past = window.store && window.store.getState().history && window.store.getState().history.past;
    if (Array.isArray(past) && past.length > MOST) past.length = 0;
  }, 1000);
})();
