// What a flow is compared by stands in the address, in instants; the pickers show them in the viewer's own zone.
(function () {
  const FIELDS = ['since', 'from', 'to', 'of', 'than', 'than_from', 'than_to', 'than_of'];
  const TIMES = {from: 'since', to: 'since', than_from: 'than', than_to: 'than'};
  const milepost = window.milepost;

  window.dash_clientside.milepost.compareFlow = function () {
    const dash = window.dash_clientside, said = Array.from(arguments);
    const before = said[FIELDS.length + 1] || {}, asked = {name: said[FIELDS.length].name};
    const address = new URLSearchParams(location.search);
    FIELDS.forEach(function (field, i) {
      let value = said[i];
      if (TIMES[field]) {
        const given = before.pending ? address.get(field) : before[field];
        value = said[FIELDS.indexOf(TIMES[field])] === 'between' ? milepost.picked(value, given) : null;
      }
      if (value) asked[field] = value;
    });
    for (const which of ['since', 'than']) dash.set_props('flow-' + which + '-ends', {className: 'range-ends' + (asked[which] === 'between' ? '' : ' hidden')});
    if (JSON.stringify(asked) === JSON.stringify(before)) return dash.no_update;
    const p = new URLSearchParams(Object.entries(asked).filter(([field]) => field !== 'name')).toString();
    history.replaceState(history.state, '', location.pathname + (p ? '?' + p : ''));
    return asked;
  };
})();
