// Which time a page is asked about stands in the address, absolute times as instants; the pickers show those in the
// viewer's zone.
(function () {
  const milepost = window.milepost, dash = window.dash_clientside;
  const FIELDS = ['since', 'from', 'to'];
  const spelled = at => at.toISOString().replace(/\.\d+Z/, 'Z');
  const local = text => milepost.viewer.local(new Date(text)).replace('T', ' ') + ':00';

  // The instant that a picker says. What stood in the address to the second stays as it was said.
  milepost.picked = function (value, before) {
    if (!value) return null;
    if (before && !isNaN(new Date(before)) && local(before) === value) return before;
    const at = milepost.viewer.instant(value);
    return at ? spelled(at) : null;
  };
  milepost.pickerValue = local;
  // what of a range is asked, by what its controls say and what was asked before
  milepost.rangeOf = function (page, since, from, to, before) {
    const asked = {}, between = since === 'between';
    dash.set_props(page + '-since-ends', {className: 'range-ends' + (between ? '' : ' hidden')});
    if (since) asked.since = since;
    for (const [name, value] of between ? [['from', from], ['to', to]] : []) {
      const at = milepost.picked(value, before && before[name]);
      if (at) asked[name] = at;
    }
    return asked;
  };
  milepost.rangeFields = FIELDS;

  dash.milepost.range = function (since, from, to, id, before) {
    const page = id.replace(/-since$/, ''), asked = Object.assign({}, before);
    FIELDS.forEach(field => delete asked[field]);
    Object.assign(asked, milepost.rangeOf(page, since, from, to, before));
    if (JSON.stringify(asked) === JSON.stringify(before)) return dash.no_update;
    const p = new URLSearchParams(location.search);
    FIELDS.forEach(field => asked[field] ? p.set(field, asked[field]) : p.delete(field));
    const text = p.toString();
    history.replaceState(history.state, '', location.pathname + (text ? '?' + text : ''));
    return asked;
  };
})();
