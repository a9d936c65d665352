// The page of `walproof watch --serve`: asks for /state.json again and again, and shows it.
//
// What comes from the watched machine (paths, commands, names of containers) is put in as text, never as markup.
// What must not happen: that old numbers look live. Where to look next: docs/watch-serving.md, the fields.
'use strict';

const POLL_MS_MIN = 500;
const GIVE_UP_MS = 4000;
const LOST_MS = 3000;

const by = (id) => document.getElementById(id);

// ---- building ----

function make(tag, attributes, ...children) {
  const svg = ['svg', 'g', 'path', 'rect', 'line', 'text', 'title', 'circle'].includes(tag);
  const node = svg ? document.createElementNS('http://www.w3.org/2000/svg', tag) : document.createElement(tag);
  for (const [name, value] of Object.entries(attributes || {})) node.setAttribute(name, value);
  node.append(...children.filter((child) => child !== null && child !== undefined));
  return node;
}

/** Writes text only where it changed, so that a selection stays. */
function write(node, text) {
  if (node.textContent !== text) node.textContent = text;
}

/** Puts `built()` into a node when what it is built of has changed. */
function rebuild(node, of, built) {
  const key = JSON.stringify(of);
  if (node.builtOf === key) return;
  node.builtOf = key;
  node.replaceChildren(...[built()].flat().filter(Boolean));
}

/** One child for each item, kept while its key stays, in order. */
function keyed(parent, items, key, create) {
  const views = parent.views || (parent.views = new Map());
  const wanted = new Set(items.map(key));
  for (const [name, view] of views) if (!wanted.has(name)) { view.node.remove(); views.delete(name); }
  items.forEach((item, index) => {
    const name = key(item);
    if (!views.has(name)) views.set(name, create(item));
    const view = views.get(name);
    if (parent.children[index] !== view.node) parent.insertBefore(view.node, parent.children[index] || null);
    view.update(item);
  });
}

// ---- words ----

const count = (value) => value.toLocaleString('en');

function bytes(value) {
  const units = ['bytes', 'KiB', 'MiB', 'GiB', 'TiB', 'PiB'];
  let unit = 0;
  while (value >= 1024 && unit < units.length - 1) { value /= 1024; unit += 1; }
  return `${unit === 0 || value >= 100 ? Math.round(value) : value.toFixed(1)} ${units[unit]}`;
}

function lasting(ms) {
  const seconds = ms / 1000;
  if (seconds < 10) return `${seconds.toFixed(1)} s`;
  if (seconds < 120) return `${Math.round(seconds)} s`;
  if (seconds < 7200) return `${Math.floor(seconds / 60)} min ${Math.round(seconds % 60)} s`;
  if (seconds < 172800) return `${Math.floor(seconds / 3600)} h ${Math.floor(seconds / 60 % 60)} min`;
  return `${Math.floor(seconds / 86400)} days`;
}

const two = (number) => String(number).padStart(2, '0');

function clock(unixMs) {
  const time = new Date(unixMs);
  return `${two(time.getHours())}:${two(time.getMinutes())}:${two(time.getSeconds())}`;
}

function day(unixMs) {
  const time = new Date(unixMs);
  const today = time.toDateString() === new Date().toDateString();
  return today ? clock(unixMs) : `${time.getFullYear()}-${two(time.getMonth() + 1)}-${two(time.getDate())} ${clock(unixMs)}`;
}

const notSeen = () => make('span', { class: 'unseen' }, 'not seen');

function container(opener) {
  if (opener.container === null) return 'none';
  const engine = opener.engine ? ` (${opener.engine})` : '';
  return `${opener.container}${engine}${opener.pod ? `, pod ${opener.pod}` : ''}`;
}

function halted(runs) {
  if (runs === 'freely') return null;
  const inKernel = runs['in-kernel'];
  if (inKernel) return inKernel.at ? `waits in the kernel (${inKernel.at})` : 'waits in the kernel';
  return { frozen: 'frozen', stopped: 'stopped', zombie: 'ended, not reaped' }[runs] || String(runs);
}

// ---- alarms ----

/** The page of an alarm, a small part of Markdown: headings, code blocks, paragraphs; all of it text. */
function explanation(text) {
  const nodes = [];
  let block = [];
  let fenced = null;
  const end = () => { if (block.length) nodes.push(make('p', {}, block.join(' '))); block = []; };
  for (const line of text.split('\n')) {
    if (line.startsWith('```')) {
      if (fenced === null) { end(); fenced = []; } else { nodes.push(make('pre', {}, fenced.join('\n'))); fenced = null; }
    } else if (fenced !== null) fenced.push(line);
    else if (line.startsWith('#')) { end(); nodes.push(make('h4', {}, line.replace(/^#+ */, ''))); }
    else if (line.trim() === '') end();
    else if (/^([-*]|\d+\.) /.test(line)) { end(); block.push(line); }
    else block.push(line);
  }
  end();
  if (fenced !== null) nodes.push(make('pre', {}, fenced.join('\n')));
  return nodes;
}

function alarmView() {
  const level = make('span', { class: 'level' });
  const since = make('span', { class: 'quiet' });
  const name = make('code');
  const says = make('p', { class: 'says' });
  const todo = make('span');
  const witness = make('ul');
  const explain = make('div');
  const node = make('article', {},
    make('p', {}, level, ' ', name, ' ', since), says,
    make('p', {}, make('strong', {}, 'What to do: '), todo),
    make('details', {}, make('summary', {}, 'What was seen, and what it means'), witness, explain));
  return {
    node,
    update({ on, page, now }) {
      node.className = `alarm ${on.level}`;
      write(level, on.level);
      write(name, on.alarm);
      write(since, `since ${day(on.since_unix_ms)}, for ${lasting(Math.max(0, now - on.since_unix_ms))}`);
      write(says, on.says);
      write(todo, on.try_this);
      rebuild(witness, on.witness, () => on.witness.map((line) => make('li', {}, line)));
      rebuild(explain, page, () => explanation(page));
    },
  };
}

function showAlarms(state) {
  const items = state.alarms.map((on) => ({ on, page: state.explanations[on.alarm] || '', now: state.unix_ms }));
  keyed(by('alarms'), items, (item) => `${item.on.alarm} ${item.on.about}`, alarmView);
  by('no-alarms').hidden = items.length > 0;
  const blind = state.not_seen.length ? ' Not everything could be seen: see below.' : '';
  write(by('no-alarms'), `No alarm is on.${blind}`);
}

// ---- the plot ----

const PLOT = { left: 66, right: 8, sizeTop: 16, sizeHigh: 96, rateTop: 128, rateHigh: 30, rowsTop: 172, row: 16, high: 254 };

/** Marks below the curves: their label, and for which points. */
const ROWS = [
  { label: 'copied', kind: 'copied', of: (point) => point.checkpointed },
  { label: 'writing', kind: 'lock', of: (point) => point.writing },
  { label: 'CKPT lock', kind: 'lock', of: (point) => point.checkpointing },
  { label: 'reading', kind: 'readers', of: (point) => point.readers > 0 },
];

function plotView() {
  const svg = make('svg', { class: 'plot', role: 'img', tabindex: '0', height: PLOT.high });
  const drawing = make('g');
  const cursor = make('line', { class: 'cursor', y1: PLOT.sizeTop, y2: PLOT.high - 18, visibility: 'hidden' });
  svg.append(drawing, cursor);
  const readout = make('output', { class: 'readout' });
  const view = { svg, drawing, cursor, readout, points: [], page: null, chosen: null, width: 0 };
  const choose = (event) => {
    const at = (event.clientX - svg.getBoundingClientRect().left);
    view.chosen = view.points.length ? nearest(view, at).unix_ms : null;
    read(view);
  };
  svg.addEventListener('pointermove', choose);
  svg.addEventListener('pointerdown', choose);
  svg.addEventListener('pointerleave', (event) => { if (event.pointerType === 'mouse') { view.chosen = null; read(view); } });
  svg.addEventListener('keydown', (event) => walk(view, event));
  new ResizeObserver(() => draw(view)).observe(svg);
  return view;
}

function walk(view, event) {
  const step = { ArrowLeft: -1, ArrowRight: 1 }[event.key];
  if (event.key === 'Escape') view.chosen = null;
  else if (!step || !view.points.length) return;
  else {
    const last = view.points.length - 1;
    const found = view.points.findIndex((point) => point.unix_ms === view.chosen);
    const from = found < 0 ? (step < 0 ? last + 1 : last - 1) : found;
    view.chosen = view.points[Math.min(last, Math.max(0, from + step))].unix_ms;
  }
  event.preventDefault();
  read(view);
}

function horizontal(view, unixMs) {
  const first = view.points[0].unix_ms;
  const span = Math.max(1, view.points[view.points.length - 1].unix_ms - first);
  return PLOT.left + (unixMs - first) / span * (view.width - PLOT.left - PLOT.right);
}

function nearest(view, at) {
  const away = (point) => Math.abs(horizontal(view, point.unix_ms) - at);
  return view.points.reduce((best, point) => (away(point) < away(best) ? point : best));
}

/** Bytes of the log that no checkpoint has copied yet. */
function waitingBytes(view, point) {
  if (point.max_frame === null || point.backfilled_frames === null || view.page === null) return null;
  return Math.max(0, point.max_frame - point.backfilled_frames) * (view.page + 24);
}

/** Times between points, without the gaps in which nothing was seen. */
function usualStep(points) {
  const steps = points.slice(1).map((point, index) => point.unix_ms - points[index].unix_ms).sort((a, b) => a - b);
  return steps.length ? steps[Math.floor(steps.length / 2)] : 1000;
}

/** Runs of points without a gap and with a value. */
function runs(points, value) {
  const gap = usualStep(points) * 4;
  const found = [];
  let last = null;
  for (const point of points) {
    const y = value(point);
    if (y === null) { last = null; continue; }
    if (last === null || point.unix_ms - last > gap) found.push([]);
    found[found.length - 1].push({ point, y });
    last = point.unix_ms;
  }
  return found;
}

function curve(view, points, value, top, high, most) {
  const y = (number) => (top + high - number / most * high).toFixed(1);
  const at = ({ point, y: number }) => `${horizontal(view, point.unix_ms).toFixed(1)} ${y(number)}`;
  return runs(points, value).map((run) => ({ line: `M${run.map(at).join('L')}`, run, floor: y(0) }));
}

function draw(view) {
  view.width = view.svg.clientWidth;
  if (view.width < 120 || view.points.length < 2) return;
  view.svg.setAttribute('viewBox', `0 0 ${view.width} ${PLOT.high}`);
  const parts = [...sizes(view), ...rates(view), ...rows(view), ...times(view)];
  view.drawing.replaceChildren(...parts);
  read(view);
}

function label(x, y, text, anchor) {
  return make('text', { x, y, 'text-anchor': anchor || 'end' }, text);
}

function grid(view, y) {
  return make('line', { class: 'grid', x1: PLOT.left, x2: view.width - PLOT.right, y1: y, y2: y });
}

function sizes(view) {
  const most = Math.max(4096, ...view.points.map((point) => Math.max(point.wal_bytes, waitingBytes(view, point) || 0)));
  const { sizeTop: top, sizeHigh: high, left } = PLOT;
  const parts = [grid(view, top), grid(view, top + high), label(left - 6, top + 9, bytes(most)), label(left - 6, top + high, '0')];
  for (const { line, run, floor } of curve(view, view.points, (point) => waitingBytes(view, point), top, high, most)) {
    const x = (one) => horizontal(view, one.point.unix_ms).toFixed(1);
    parts.push(make('path', { class: 'waiting', d: `${line}L${x(run[run.length - 1])} ${floor}L${x(run[0])} ${floor}Z` }));
  }
  for (const { line } of curve(view, view.points, (point) => point.wal_bytes, top, high, most)) {
    parts.push(make('path', { class: 'size', d: line }));
  }
  return parts;
}

/** Commits in a second, up to this point since the one before. */
function ratesOf(points) {
  return points.map((point, index) => {
    const before = points[Math.max(0, index - 1)];
    const seconds = (point.unix_ms - before.unix_ms) / 1000;
    return seconds > 0 ? Math.max(0, point.commits - before.commits) / seconds : null;
  });
}

function rates(view) {
  const rate = ratesOf(view.points);
  const most = Math.max(1, ...rate.filter((one) => one !== null));
  const { rateTop: top, rateHigh: high, left } = PLOT;
  const value = (point) => rate[view.points.indexOf(point)];
  const curves = curve(view, view.points, value, top, high, most);
  return [grid(view, top + high), label(left - 6, top + 9, `${count(Math.round(most))}/s`), label(left - 6, top + high, 'commits'),
    ...curves.map(({ line }) => make('path', { class: 'rate', d: line }))];
}

function rows(view) {
  const parts = [];
  const wide = Math.max(2, (view.width - PLOT.left - PLOT.right) / view.points.length);
  ROWS.forEach((row, index) => {
    const top = PLOT.rowsTop + index * PLOT.row;
    parts.push(label(PLOT.left - 6, top + 10, row.label), grid(view, top + 12));
    for (const point of view.points.filter(row.of)) {
      const x = Math.min(horizontal(view, point.unix_ms), view.width - PLOT.right) - wide;
      parts.push(make('rect', { class: row.kind, x: Math.max(PLOT.left, x).toFixed(1), y: top + 2, width: (wide + 0.5).toFixed(1), height: 10 }));
    }
  });
  return parts;
}

function times(view) {
  const [first, last] = [view.points[0].unix_ms, view.points[view.points.length - 1].unix_ms];
  const y = PLOT.high - 5;
  return [label(PLOT.left, y, clock(first), 'start'), label(view.width - PLOT.right, y, clock(last))];
}

/** What the chosen point says, or the last one. */
function read(view) {
  const index = view.points.findIndex((point) => point.unix_ms === view.chosen);
  view.cursor.setAttribute('visibility', index < 0 ? 'hidden' : 'visible');
  if (!view.points.length) return;
  const at = index < 0 ? view.points.length - 1 : index;
  const point = view.points[at];
  if (index >= 0) {
    const x = horizontal(view, point.unix_ms);
    view.cursor.setAttribute('x1', x);
    view.cursor.setAttribute('x2', x);
  }
  const frames = point.max_frame === null ? 'frames not seen'
    : `${count(point.max_frame)} frames, ${count(point.max_frame - point.backfilled_frames)} waiting`;
  const rate = ratesOf(view.points)[at];
  const marks = [rate !== null && `${count(Math.round(rate))} commits/s`, point.checkpointed && 'frames copied',
    point.reset && 'log begun anew', point.writing && 'WAL_WRITE_LOCK held', point.checkpointing && 'WAL_CKPT_LOCK held',
    `${point.readers} ${point.readers === 1 ? 'reader' : 'readers'}`].filter(Boolean);
  write(view.readout, `${index < 0 ? 'Last' : 'At'} ${clock(point.unix_ms)}: -wal ${bytes(point.wal_bytes)}, ${frames}; ${marks.join(', ')}`);
}

function showPlot(view, database) {
  view.points = database.plot;
  view.page = database.index ? database.index.page_size_bytes : view.page;
  view.svg.setAttribute('aria-label', `Size of the -wal of ${database.path} over time, what waits for a checkpoint, commits a second, `
    + 'checkpoints and locks. Left and right arrows walk through the points; what each says stands below.');
  draw(view);
}

// ---- tables ----

function table(headings, lines) {
  const head = make('thead', {}, make('tr', {}, ...headings.map((text) => make('th', { scope: 'col' }, text))));
  const cell = (content, index) => make('td', { 'data-label': headings[index] }, make('div', {}, ...[content].flat()));
  return make('table', {}, head, make('tbody', {}, ...lines.map((line) => make('tr', {}, ...line.map(cell)))));
}

/** Durations that are rounded, so that a table is not built anew at each look for tenths of a second. */
function roughly(ms) {
  return ms === null ? '' : ms < 1000 ? 'under 1 s' : lasting(Math.floor(ms / 1000) * 1000).replace(/\.0 s$/, ' s');
}

const WAL_LOCKS_OF_ALL = new Set(['SHARED', 'DMS']);

function locksTable(database) {
  const lines = [];
  for (const opener of database.openers) {
    for (const held of opener.locks || []) {
      if (!held.exclusive && WAL_LOCKS_OF_ALL.has(held.lock)) continue;
      const who = `pid ${opener.pid} ${opener.command}`;
      lines.push([make('code', {}, held.lock), held.exclusive ? 'exclusive' : 'shared', roughly(held.for_ms), container(opener), who]);
    }
  }
  for (const held of database.locks_of_unseen) {
    const who = make('span', { class: 'unseen' }, 'held by a process that cannot be seen');
    lines.push([make('code', {}, held.lock), held.exclusive ? 'exclusive' : 'shared', '', '', who]);
  }
  return lines.length ? table(['Lock', 'Mode', 'Seen for', 'Container', 'Who'], lines) : null;
}

/** How long locks were held, as the kernel's trace tells. */
function holdsTable(database) {
  const names = [...new Set([...Object.keys(database.holds), ...Object.keys(database.refused)])];
  if (!names.length) return null;
  const short = (us) => (us < 1000 ? `${us} µs` : us < 1e6 ? `${(us / 1000).toFixed(1)} ms` : lasting(us / 1000));
  const lines = names.map((name) => {
    const held = database.holds[name];
    const by = held && held.longest_by ? `, by pid ${held.longest_by[0]}${held.longest_by[1] ? ` in ${held.longest_by[1]}` : ''}` : '';
    return [make('code', {}, name), held ? count(held.count) : '0', held ? short(Math.round(held.total_us / held.count)) : '',
      held ? `${short(held.longest_us)}${by}` : '', count(database.refused[name] || 0)];
  });
  return table(['Lock', 'Times held', 'On average', 'Longest', 'Refused'], lines);
}

function locksSection(database) {
  const found = locksTable(database);
  const blind = database.openers.filter((opener) => opener.locks === null).length;
  const parts = [found || make('p', { class: 'quiet' }, 'None at the last look but SHARED and DMS, which everybody holds who has it open.')];
  if (blind) parts.push(make('p', { class: 'unseen' }, `Locks of ${blind} of ${database.openers.length} openers cannot be seen.`));
  return blind && !found ? parts.slice(1) : parts;
}

function openersTable(database) {
  if (!database.openers.length) return make('p', { class: 'quiet' }, 'No process is seen to have it open.');
  const lines = database.openers.map((opener) => {
    const stopped = halted(opener.runs);
    const how = stopped ? make('span', { class: 'halted' }, `${stopped}${opener.halted_ms ? `, ${roughly(opener.halted_ms)}` : ''}`) : 'runs';
    const versions = opener.libraries.map((library) => library.version || 'version not seen').join(', ');
    return [`${opener.pid} ${opener.command}`, container(opener), make('span', { class: 'path' }, opener.path),
      opener.mount ? `${opener.mount.fstype} at ${opener.mount.mount_point}` : notSeen(), versions || notSeen(), how];
  });
  return table(['Process', 'Container', 'Opened as', 'Mount', 'SQLite', 'State'], lines);
}

// ---- databases ----

function tile(title) {
  const value = make('span');
  const more = make('small');
  const node = make('div', {}, make('dt', {}, title), make('dd', {}, value, more));
  return {
    node,
    set(text, note, bad) {
      write(value, text === null ? 'not seen' : text);
      value.className = text === null ? 'unseen' : '';
      write(more, note || '');
      node.className = bad ? 'tile-bad' : '';
    },
  };
}

const TILES = ['-wal', 'Frames in the log', 'Waiting for a checkpoint', 'Commits', 'Checkpoints seen', 'Log begun anew',
  'Database file', 'Free on its disk', 'Openers'];

function fillTiles(tiles, database) {
  const { index, counters } = database;
  const size = (value) => (value === null ? 'none' : bytes(value));
  tiles['-wal'].set(size(database.wal_bytes), database.shm_bytes === null ? 'no -shm' : `-shm ${bytes(database.shm_bytes)}`);
  const why = database.index_damage ? `wal-index: ${database.index_damage}` : database.shm_bytes === null ? 'there is no wal-index' : '';
  tiles['Frames in the log'].set(index && count(index.max_frame), index ? `${count(index.backfilled_frames)} copied` : why, Boolean(database.index_damage));
  const stands = database.frames_waiting && database.checkpoint_stands_ms > 1000;
  tiles['Waiting for a checkpoint'].set(database.frames_waiting === null ? null : `${count(database.frames_waiting)} frames`,
    stands ? `none copied for ${lasting(database.checkpoint_stands_ms)}` : '');
  const rate = database.commits_per_second;
  tiles.Commits.set(rate === null ? null : `${rate < 10 ? rate.toFixed(1) : count(Math.round(rate))}/s`, `${count(counters.commits)} since the watch began`);
  tiles['Checkpoints seen'].set(count(counters.checkpoints), `${count(counters.frames_backfilled)} frames copied`);
  tiles['Log begun anew'].set(count(counters.wal_resets), 'times');
  const page = index ? index.page_size_bytes : database.header && database.header.page_size_bytes;
  tiles['Database file'].set(size(database.database_bytes), page ? `pages of ${bytes(page)}` : '');
  const share = database.total_bytes ? `${Math.round(database.free_bytes / database.total_bytes * 100)} % of ${bytes(database.total_bytes)}` : '';
  const full = database.filling ? `full at ${day(database.filling.full_at_unix_ms)} if it goes on like this` : '';
  tiles['Free on its disk'].set(database.free_bytes === null ? null : bytes(database.free_bytes), full || share, Boolean(full));
  const inside = new Set(database.openers.filter((one) => one.container !== null).map((one) => one.container)).size;
  tiles.Openers.set(count(database.openers.length), inside ? `in ${inside} ${inside === 1 ? 'container' : 'containers'}` : '');
}

function databaseView() {
  const title = make('h2', { class: 'path' });
  const silent = make('p', { class: 'lost', hidden: '' });
  const about = make('p', { class: 'quiet' });
  const tiles = Object.fromEntries(TILES.map((name) => [name, tile(name)]));
  const plot = plotView();
  const [locks, holds, openers] = [make('div'), make('div'), make('div')];
  const key = (kind, text) => make('li', {}, make('span', { class: `key key-${kind}` }), text);
  const node = make('section', { class: 'panel' }, title, silent, about,
    make('dl', { class: 'tiles' }, ...TILES.map((name) => tiles[name].node)),
    make('h3', {}, 'Over time'),
    make('ul', { class: 'legend' }, key('size', 'size of the -wal'), key('waiting', 'of it, waiting for a checkpoint')),
    plot.svg, plot.readout,
    make('h3', {}, 'Locks now'), locks, holds, make('h3', {}, 'Openers'), openers);
  return {
    node,
    update(database) {
      write(title, database.path);
      silent.hidden = database.silent_ms === null;
      write(silent, database.silent_ms === null ? '' : `Its storage has not answered for ${lasting(database.silent_ms)}: sizes and frames are from before.`);
      const mode = database.header && database.header.family;
      const mount = database.mount ? `${database.mount.fstype} at ${database.mount.mount_point}` : 'mount not seen';
      write(about, `${mode === 'wal' ? 'WAL mode' : mode === 'rollback' ? 'rollback journal' : 'journal mode not seen'}; ${mount}`);
      fillTiles(tiles, database);
      showPlot(plot, database);
      const held = database.openers.map((one) => [one.pid, one.command, container(one), one.locks && one.locks.map((lock) => [lock.lock, lock.exclusive, roughly(lock.for_ms)])]);
      rebuild(locks, [held, database.locks_of_unseen], () => locksSection(database));
      rebuild(holds, [database.holds, database.refused], () => {
        const found = holdsTable(database);
        return found && [make('h3', {}, 'Locks since the watch began'), found];
      });
      const who = database.openers.map((one) => ({ ...one, locks: null, halted_ms: one.halted_ms && roughly(one.halted_ms) }));
      rebuild(openers, who, () => openersTable(database));
    },
  };
}

// ---- the rest ----

function happened(event) {
  const where = event.container ? `${event.container}, ` : '';
  if (event.kind === 'opened') return `${where}pid ${event.pid} ${event.command} opened ${event.database}`;
  if (event.kind === 'closed') return `${where}pid ${event.pid} ${event.command} ${event.ended ? 'ended' : 'closed'} ${event.database}`;
  if (event.kind === 'out-of-memory') return `${event.container}: ${event.kills} killed because memory ran out`;
  return `${event.kind} ${event.database || event.container || ''}`;
}

function showRest(state) {
  by('no-databases').hidden = state.databases.length > 0;
  by('unseen').hidden = state.not_seen.length === 0;
  rebuild(by('unseen-list'), state.not_seen, () => state.not_seen.map((line) => make('li', {}, line)));
  by('containers').hidden = state.containers.length === 0;
  const counts = state.container_counts;
  rebuild(by('containers-table'), [state.containers, counts], () => table(['Container', 'Image', 'Memory', 'Killed for memory', 'Restarts'],
    state.containers.map((one) => [container({ container: one.container.name, engine: one.container.engine, pod: one.pod }),
      one.container.image || notSeen(),
      one.memory_bytes === null ? notSeen() : `${bytes(one.memory_bytes)}${one.container.memory_limit_bytes ? ` of ${bytes(one.container.memory_limit_bytes)}` : ''}`,
      one.oom_kills === null ? notSeen() : count(one.oom_kills),
      counts[one.container.name] ? count(counts[one.container.name].restarts) : notSeen()])));
  by('events').hidden = state.events.length === 0;
  rebuild(by('events-list'), state.events, () => state.events.map((event) =>
    make('li', {}, make('time', {}, day(event.unix_ms)), happened(event))));
}

// ---- live or not ----

let latest = null;
let answeredAt = 0;
let failed = null;

function show(served) {
  write(by('version'), `walproof ${served.version}`);
  if (served.state === null) return;
  showAlarms(served.state);
  keyed(by('databases'), served.state.databases, (database) => database.path, databaseView);
  showRest(served.state);
}

/** Why what is shown is not to be believed, or nothing. */
function whyOld(now) {
  if (latest === null) return failed ? `No answer yet: ${failed}` : null;
  const away = now - answeredAt;
  const seen = latest.state ? `Everything below is as it was at ${day(latest.state.unix_ms)}.` : '';
  if (failed !== null || away > LOST_MS + GIVE_UP_MS) return `Connection lost for ${lasting(away)} (${failed || 'no answer'}). ${seen}`;
  if (latest.is_old) return `The watch is held up: no look has ended for ${lasting(latest.age_ms + away)}. ${seen}`;
  return null;
}

function showStatus() {
  const now = performance.now();
  const why = whyOld(now);
  document.body.classList.toggle('stale', why !== null);
  by('lost').hidden = why === null;
  write(by('lost'), why || '');
  const alarms = latest && latest.state ? latest.state.alarms.length : 0;
  const title = why !== null ? '✕ not live' : alarms ? `▲ ${alarms} ${alarms === 1 ? 'alarm' : 'alarms'}` : '';
  document.title = title ? `${title} · walproof watch` : 'walproof watch';
  by('status').classList.toggle('lost-word', why !== null);
  if (why !== null) rebuild(by('status'), 'lost', () => make('strong', {}, 'not live'));
  else if (latest && latest.state) {
    const text = `a look every ${lasting(latest.every_ms)}; the last ended at ${clock(latest.state.unix_ms)} and took ${(latest.state.took_us / 1000).toFixed(1)} ms`;
    rebuild(by('status'), text, () => [make('strong', {}, 'live'), `, ${text}`]);
  }
}

async function ask() {
  const giveUp = new AbortController();
  const timer = setTimeout(() => giveUp.abort(), GIVE_UP_MS);
  try {
    const answer = await fetch('/state.json', { signal: giveUp.signal, cache: 'no-store' });
    if (!answer.ok) throw new Error(`status ${answer.status}`);
    const served = await answer.json();
    if (served.walproof_watch_state !== 1) throw new Error('another version of walproof answers: load this page again');
    [latest, answeredAt, failed] = [served, performance.now(), null];
    show(served);
  } catch (error) {
    failed = error.name === 'AbortError' ? 'no answer in time' : error.message;
  } finally {
    clearTimeout(timer);
  }
  showStatus();
  setTimeout(ask, Math.max(POLL_MS_MIN, latest ? Math.min(latest.every_ms, 5000) : POLL_MS_MIN));
}

setInterval(showStatus, 1000);
ask();
