import { useState } from 'preact/hooks';
import { type Cell, type Group, type Measured, type Row, tableOf } from './rows.ts';
import type { Incomparable } from './validation.ts';

/** How many texts of a corpus are listed without being asked for. */
const LISTED = 4;
/** From so many models on, columns are wider than a phone, and than a page. */
const WIDER_THAN = { phone: 3, page: 6 };

interface Props {
  names: readonly string[];
  models: readonly (Measured | null)[];
  remark: Incomparable | null;
}

/** Table of facts about the models, a column for each. */
export function Facts({ names, models, remark }: Props) {
  const [onlyDifferences, setOnlyDifferences] = useState(false);
  const several = models.length > 1;
  const groups = tableOf(models);
  const notes: Record<string, string | false | null> = {
    Losses: remark
      ? `${remark === 'tokenizer' ? 'Comparable by bits per byte alone' : 'Not comparable with each other'}: see the remark above.`
      : 'How badly the model predicts: the lower, the better. A perplexity of 20 is as open as a choice among 20 equally likely tokens.',
    'As served':
      'After its weights were rounded. KL divergence: how far its predictions are from those of the model as trained, 0 if they are ' +
      'the same. Top-1 agreement: how often both find the same token likeliest.',
    Speed: 'Of the newest answer.' + (several ? ' All answer at the same time, so APIs on one machine slow each other down.' : ''),
  };
  return (
    <section class="card compare-section" aria-labelledby="facts">
      <div class="section-head">
        <h2 id="facts">Facts</h2>
        {several && (
          <label class="check">
            <input type="checkbox" checked={onlyDifferences} onChange={(event) => setOnlyDifferences(event.currentTarget.checked)} />
            Only what differs
          </label>
        )}
      </div>
      {groups.length === 0 ? (
        <p class="soft">They come with the first model that is loaded.</p>
      ) : (
        // Roles are said again, as a table that is laid out as a grid loses them in some browsers.
        <div
          class={`${models.length >= WIDER_THAN.phone ? 'scrolls-narrow' : ''} ${models.length >= WIDER_THAN.page ? 'scrolls-wide' : ''}`}
          tabIndex={models.length >= WIDER_THAN.phone ? 0 : undefined}
          role="group"
          aria-labelledby="facts"
        >
          <table class="facts-table" role="table" aria-labelledby="facts" style={{ '--columns': models.length }}>
            <thead role="rowgroup">
              <tr role="row">
                <td role="cell" class="facts-corner" />
                {names.map((name, column) => (
                  <th key={column} role="columnheader" scope="col" class={`swatch legend-${column % 6}`}>
                    {name}
                  </th>
                ))}
              </tr>
            </thead>
            {groups.map((group) => (
              <FactGroup key={group.title} group={group} note={notes[group.title] || null} onlyDifferences={several && onlyDifferences} remark={remark} />
            ))}
          </table>
        </div>
      )}
    </section>
  );
}

interface GroupProps {
  group: Group;
  note: string | null;
  onlyDifferences: boolean;
  remark: Incomparable | null;
}

function FactGroup({ group, note, onlyDifferences, remark }: GroupProps) {
  const rows = group.rows.filter(({ same }) => !same || !onlyDifferences);
  if (rows.length === 0) return null;
  return (
    <tbody role="rowgroup">
      <tr role="row" class="facts-title">
        <th role="rowheader" scope="rowgroup" colSpan={rows[0]!.cells.length + 1}>
          <span class="facts-stay">
            {group.title}
            {note && <span class="facts-note soft">{note}</span>}
          </span>
        </th>
      </tr>
      {rows.map((row) => (
        <FactRow key={row.label} row={row} remark={remark} />
      ))}
    </tbody>
  );
}

function FactRow({ row: { label, cells, best, same }, remark }: { row: Row; remark: Incomparable | null }) {
  const unsure = best && (remark === 'tokenizer' ? best.perToken : remark && best.onText);
  return (
    <tr role="row" class={same ? 'facts-same' : undefined}>
      <th role="rowheader" scope="row">
        <span class="facts-stay">{label}</span>
      </th>
      {cells.map((cell, column) => (
        <td key={column} role="cell" class={`legend-${column % 6}`}>
          {cell ? <FactCell cell={cell} /> : <span class="soft">–</span>}{' '}
          {best?.column === column && <span class={`facts-best ${unsure ? 'facts-best-unsure' : ''}`}>{best.word}</span>}
        </td>
      ))}
    </tr>
  );
}

function FactCell({ cell: { text, detail, parts } }: { cell: Cell }) {
  const list = parts && (
    <ul>
      {parts.map((part) => (
        <li key={part.text}>
          {part.text} <span class="soft">{part.detail}</span>
        </li>
      ))}
    </ul>
  );
  if (list && parts.length > LISTED) {
    return (
      <details>
        <summary>{text}</summary>
        {list}
      </details>
    );
  }
  return (
    list ?? (
      <>
        {text} {detail && <span class="soft facts-detail">{detail}</span>}
      </>
    )
  );
}
