// Cells of the worklist.
(function () {
  const cells = window.dashAgGridComponentFunctions = window.dashAgGridComponentFunctions || {};
  const functions = window.dashAgGridFunctions = window.dashAgGridFunctions || {};
  const m = window.milepost;
  const h = function () { return window.React.createElement.apply(null, arguments); };
  const bone = () => h('span', {className: 'bone cell-bone'});
  const needsRow = draw => p => p.data ? draw(p.data) : bone();

  const badge = v => h('span', {className: 'badge badge-' + v}, h('span', {className: 'mk mk-' + v, 'aria-hidden': 'true'}), m.verdict(v));
  const time = (tell, text) => text ? h('time', {dateTime: text, title: m.viewer.full(text), 'data-tell': tell}, m[tell](text)) : h('span', {className: 'muted'}, '–');
  const link = (row, className) => h('a', {
    href: m.instance(row.id), className: className,
    onClick: function (e) { if (e.metaKey || e.ctrlKey || e.shiftKey || e.button) return; e.preventDefault(); m.go(m.instance(row.id)); },
  }, row.title);
  const two = (first, second) => h('div', {className: 'two'}, h('div', {className: 'two-a', title: typeof first === 'string' ? first : null}, first), h('div', {className: 'two-b'}, second));
  const words = name => { const t = (name || '').replace(/[_-]/g, ' '); return t.charAt(0).toUpperCase() + t.slice(1); };

  const held = r => r.stuck_since || (['failed', 'inconsistent', 'blind'].includes(r.verdict) ? r.since : null);

  const percent = x => m.viewer.percent((x > 0.5 && x < 1 ? Math.floor(x * 100 + 1e-9) : Math.round(x * 100)) / 100);   // as wording.percent
  const chance = f => !f ? '–' : f.chance != null ? percent(f.chance) : 'not known';
  const why = f => !f ? '' : f.chance == null ? m.unknown(f.unknown) : percent(f.low) + ' to ' + percent(f.high) + ', by ' + f.known + ' like it';

  cells.Verdict = needsRow(r => badge(r.verdict));
  cells.Instance = needsRow(r => two(link(r, 'strong'), words(r.workflow)));
  cells.Awaited = needsRow(r => r.waiting_for ? two(r.waiting_for_title || words(r.waiting_for), r.source_awaited ? 'from ' + r.source_awaited : '') : h('span', {className: 'muted'}, '–'));
  cells.HeldUp = needsRow(r => h('span', {className: 'held'}, time('age', held(r))));
  cells.Deadline = needsRow(r => time(r.deadline_at && Date.parse(r.deadline_at) < Date.now() ? 'moment' : 'relative', r.deadline_at));
  cells.Chance = needsRow(r => h('span', {className: r.forecast && r.forecast.chance != null ? 'figure' : 'muted', title: why(r.forecast)}, chance(r.forecast)));
  cells.Owner = needsRow(r => r.owner || h('span', {className: 'muted'}, '–'));
  const handling = r => r.handling || {};
  const seen = r => handling(r).acknowledged_by ? h('span', {className: 'seen', title: 'Acknowledged by ' + handling(r).acknowledged_by + ', ' + m.relative(handling(r).acknowledged_at)}, 'seen') : null;
  cells.Assigned = needsRow(r => h('span', {className: 'assigned'}, handling(r).assigned_to || h('span', {className: 'muted'}, '–'), seen(r)));
  cells.Started = needsRow(r => h('span', {className: 'muted'}, time('relative', r.started_at)));
  cells.Domain = needsRow(r => words(r.domain));
  cells.Reason = needsRow(r => words(r.reason));
  cells.Keys = needsRow(r => { const told = r.keys.map(k => k.namespace + ' ' + k.value).join(', '); return h('span', {className: 'muted', title: told}, told); });
  cells.Value = needsRow(r => h('span', {className: r.value ? 'figure' : 'muted'}, m.money(r.value)));
  cells.LastEvent = needsRow(r => h('span', {className: 'muted'}, time('relative', r.updated_at)));
  cells.Card = needsRow(r => h('div', {className: 'work-card'},
    h('div', {className: 'work-card-head'}, link(r, 'strong'), badge(r.verdict)),
    h('div', {className: 'work-card-line'}, r.waiting_for ? 'waits for ' + (r.waiting_for_title || words(r.waiting_for)) + (r.source_awaited ? ' from ' + r.source_awaited : '') : words(r.workflow)),
    h('div', {className: 'work-card-foot'},
      h('span', null, held(r) ? ['for ', time('age', held(r))] : r.deadline_at ? ['due ', time('relative', r.deadline_at), r.forecast ? ', likely late: ' + chance(r.forecast) : ''] : time('relative', r.updated_at)),
      h('span', null, handling(r).assigned_to || r.owner || ''), seen(r), h('span', {className: 'figure push'}, m.money(r.value)))));

  functions.milepostTheme = theme => theme.withParams({
    accentColor: 'var(--mantine-primary-color-filled)', backgroundColor: 'var(--mp-card)', foregroundColor: 'var(--mp-text)',
    borderColor: 'var(--mp-line)', headerBackgroundColor: 'var(--mp-card)', headerTextColor: 'var(--mp-muted)',
    rowHoverColor: 'var(--mp-hover)', oddRowBackgroundColor: 'var(--mp-card)', fontFamily: 'inherit', fontSize: 13,
    headerFontSize: 12, headerFontWeight: 500, wrapperBorder: false, columnBorder: false, headerColumnBorder: false, spacing: 7,
    cellHorizontalPadding: 14,
  });
})();
