// The slider of an instance page: each place is a moment at which something was learned, the last is now.
(function () {
  const nothing = () => window.dash_clientside.no_update;
  Object.assign(window.dash_clientside.milepost, {
    knownAt: function (value, moments, ask) {
      if (!moments || !ask) return [nothing(), nothing(), nothing()];
      const last = moments.length, asked = ask.known_at ? Date.parse(ask.known_at) : null;
      let place = last;
      if (asked !== null) for (place = 0; place + 1 < last && Date.parse(moments[place + 1]) <= asked;) place++;
      const by = window.dash_clientside.callback_context.triggered.map(t => t.prop_id);
      const moved = by.some(id => id === 'known-at.value') && value !== null && value !== undefined && value !== place;
      if (!moved) return [nothing(), last, value === place ? nothing() : place];
      const next = {id: ask.id};
      if (value < last) next.known_at = moments[value];
      const search = next.known_at ? '?known_at=' + encodeURIComponent(next.known_at) : '';
      // left alone, dcc.Location would mount the page anew
      history.replaceState(history.state, '', location.pathname + search);
      return [next, last, nothing()];
    },
  });
})();
