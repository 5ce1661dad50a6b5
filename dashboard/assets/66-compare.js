// What a flow is compared by stands in the address, in instants; the pickers show them in the viewer's own zone.
(function () {
  const FIELDS = ['since', 'from', 'to', 'of', 'than', 'than_from', 'than_to', 'than_of'];
  const TIMES = {from: 'since', to: 'since', than_from: 'than', than_to: 'than'};
  const two = n => String(n).padStart(2, '0');
  const spelled = at => at.toISOString().replace(/\.\d+Z/, 'Z');
  const local = at => at.getFullYear() + '-' + two(at.getMonth() + 1) + '-' + two(at.getDate()) + ' ' + two(at.getHours()) + ':' + two(at.getMinutes()) + ':00';
  const instant = text => { const at = new Date(text.replace(' ', 'T')); return isNaN(at) ? text : spelled(at); };

  window.dash_clientside.milepost.compareFlow = function () {
    const dash = window.dash_clientside, said = Array.from(arguments);
    const before = said[FIELDS.length + 1] || {}, asked = {name: said[FIELDS.length].name};
    const address = new URLSearchParams(location.search);
    FIELDS.forEach(function (field, i) {
      let value = said[i];
      if (TIMES[field]) {
        const given = before.pending && address.get(field);
        if (given && !isNaN(new Date(given))) setTimeout(() => dash.set_props('flow-' + field, {value: local(new Date(given))}), 0);
        value = said[FIELDS.indexOf(TIMES[field])] === 'between' ? given || (value && instant(value)) : null;
      }
      if (value) asked[field] = value;
    });
    for (const which of ['since', 'than']) dash.set_props('flow-' + which + '-ends', {className: 'compare-ends' + (asked[which] === 'between' ? '' : ' hidden')});
    if (JSON.stringify(asked) === JSON.stringify(before)) return dash.no_update;
    const p = new URLSearchParams(Object.entries(asked).filter(([field]) => field !== 'name')).toString();
    history.replaceState(history.state, '', location.pathname + (p ? '?' + p : ''));
    return asked;
  };
})();
