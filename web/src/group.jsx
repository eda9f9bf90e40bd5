// One group: the prompt, its clusters with their responses, and why two answers are one or not.
import { h, Fragment } from "preact";
import { useEffect, useState } from "preact/hooks";
import { Fold, Foreign, Formula, Many, Response, numeric, shown } from "./text.jsx";

const SPELLINGS = 40;

const number = (value) => numeric(value, 4);

// The values of these responses: one number where they have the same, else the least and the most.
const range = (values, members) => {
  const found = members.map((member) => values[member]);
  if (found.every((value) => value === null)) return "none";
  const known = found.filter((value) => value !== null).sort((a, b) => a - b);
  return known[0] === known.at(-1) ? number(known[0]) : `${number(known[0])} to ${number(known.at(-1))}`;
};

const Verdict = ({ right }) => <span class={`badge ${right ? "good" : "bad"}`}>{right ? "right" : "wrong"}</span>;

const Member = ({ group, member }) => {
  const answer = group.answers[member];
  const correct = group.correct === null ? null : group.correct[member];
  const flags = group.flags[member] ?? [];
  const summary = (
    <>
      response {member}
      <span class="facts">
        {answer.extractor ? `found by ${shown(answer.extractor)}` : answer.kind}
        {answer.truncated && ", cut off"} · reward {number(group.rewards[member])}
        {group.advantages && ` · GRPO advantage ${number(group.advantages[member])}`}
        {correct !== null && <span class={correct ? "good" : "bad"}> · {correct ? "agrees with the label" : "differs from the label"}</span>}
        {flags.length > 0 && <span class="bad"> · guard: {flags.map((flag) => shown(flag)).join(", ")}</span>}
      </span>
    </>
  );
  return (
    <Fold summary={summary}>
      {() => (group.responses ? <Response text={group.responses[member]} answer={answer} /> : <p class="soft">The report was made without the rollouts, so it has no text of the responses.</p>)}
    </Fold>
  );
};

const Cluster = ({ group, members, name, share, first }) => {
  const answers = [...new Set(members.map((member) => group.answers[member].text))];
  const said = answers[0] || `(${group.answers[members[0]].kind})`;
  const right = group.correct === null ? null : group.correct[members[0]];
  const flags = [...new Set(members.flatMap((member) => group.flags[member] ?? []))];
  const summary = (
    <span class="cluster">
      <span class="share" aria-hidden="true"><span style={{ width: `${Math.round(100 * (share ?? 0))}%` }} /></span>
      <span class="said">
        <span class="answer foreign" dir="auto">{shown(said, 160)}</span>
        {answers.length > 1 && <span class="soft"> and {answers.length - 1} more {answers.length === 2 ? "spelling" : "spellings"}</span>}
      </span>
      <span class="facts">
        {name} · {share !== null && `share ${share.toFixed(3)} · `}
        {members.length} {members.length === 1 ? "response" : "responses"} · reward {range(group.rewards, members)}
        {group.advantages && ` · advantage ${range(group.advantages, members)}`}
        {flags.length > 0 && <span class="bad"> · guard: {flags.map((flag) => shown(flag, 60)).join(", ")}</span>}
      </span>
      {right !== null && <Verdict right={right} />}
    </span>
  );
  return (
    <Fold open={first} summary={summary}>
      {() => (
        <>
          <dl class="facts spellings">
            {answers.filter(Boolean).slice(0, SPELLINGS).map((text) => (
              <>
                <dt class="answer foreign" dir="auto">{shown(text, 2000)}</dt>
                <dd><Formula text={text} /></dd>
              </>
            ))}
          </dl>
          {answers.length > SPELLINGS && <p class="soft">and {answers.length - SPELLINGS} more spellings</p>}
          <Many items={members} what="responses">{(member) => <Member key={member} group={group} member={member} />}</Many>
        </>
      )}
    </Fold>
  );
};

const RELATIONS = { equal: "the same", different: "different", undecided: "undecided, so counted as different" };

const Why = ({ group }) => {
  const texts = group.texts;
  const [pair, setPair] = useState([0, Math.min(1, texts.length - 1)]);
  if (texts.length < 2) return null;
  const [i, j] = pair[0] < pair[1] ? pair : [pair[1], pair[0]];
  const reason = group.reasons?.[`${i},${j}`];
  const joined = group.texts_clusters[i] === group.texts_clusters[j];
  const where = joined ? "in one cluster" : "in different clusters";
  const choice = (side) => (
    <label>
      {side === 0 ? "one answer " : "another "}
      <select value={pair[side]} onChange={(event) => setPair(side === 0 ? [Number(event.target.value), pair[1]] : [pair[0], Number(event.target.value)])}>
        {texts.slice(0, 1000).map((text, k) => <option value={k}>{shown(text, 70)}</option>)}
      </select>
    </label>
  );
  return (
    <section class="why card" aria-labelledby="why">
      <h3 id="why">Why are two answers one, or not?</h3>
      <div class="filters">{choice(0)}{choice(1)}</div>
      {i === j ? (
        <p>It is the same text.</p>
      ) : reason ? (
        <dl class="facts">
          <dt>relation</dt>
          <dd><strong class={reason.relation === "equal" ? "good" : reason.relation === "undecided" ? "bad" : ""}>{RELATIONS[reason.relation]}</strong>, {where}</dd>
          <dt>by</dt>
          <dd>{shown(reason.rule)}</dd>
          {Object.entries(reason.facts).map(([name, value]) => (
            <>
              <dt>{shown(name)}</dt>
              <dd class="foreign" dir="auto">{typeof value === "number" ? numeric(value, 4) : shown(String(value), 4000)}</dd>
            </>
          ))}
        </dl>
      ) : (
        <p class="soft">They are {where}. {group.why_not}</p>
      )}
    </section>
  );
};

// In a comparison: both scores of each response side by side.
const Both = ({ group }) => {
  const before = group.before;
  const side = (score, member) => [shown(score.answers[member].text || `(${score.answers[member].kind})`, 80), score.clusters[member] ?? "", number(score.rewards[member])];
  const head = ["answer", "cluster", "reward"];
  return (
    <>
      <h3>Before and after</h3>
      <div class="scrolled" tabIndex="0">
        <table>
          <thead>
            <tr>
              <th scope="col">response</th>
              {head.map((name) => <th scope="col">{name} before</th>)}
              {head.map((name) => <th scope="col">{name} after</th>)}
            </tr>
          </thead>
          <tbody>
            <Many items={[...group.answers.keys()]} what="responses" wrap={(more) => <tr><td colSpan="7">{more}</td></tr>}>
              {(member) => {
                const [was, is] = [side(before, member), side(group, member)];
                return (
                  <tr key={member}>
                    <th scope="row">{member}</th>
                    {was.map((value) => <td class="foreign" dir="auto">{value}</td>)}
                    {is.map((value, k) => <td class="foreign" dir="auto">{String(value) === String(was[k]) ? value : <strong class="changed">{value}</strong>}</td>)}
                  </tr>
                );
              }}
            </Many>
          </tbody>
        </table>
      </div>
    </>
  );
};

const Facts = ({ index, row, group }) => {
  const columns = index.columns;
  const right = columns.right[row];
  const facts = [
    ["outcome", shown(columns.outcome[row].replaceAll("_", " "))],
    ["semantic entropy", columns.entropy[row] === null ? "none" : `${numeric(columns.entropy[row], 4)} nats`],
    ["largest share", numeric(columns.share[row])],
    ["members", `${columns.size[row]}`],
    ...(columns.undecided[row] ? [["undecided pairs", `${columns.undecided[row]}`]] : []),
    ...(columns.accuracy[row] === null ? [] : [["accuracy", columns.accuracy[row].toFixed(3)]]),
    ...(right === null ? [] : [["majority", <Verdict right={right === 1} />]]),
    ...(group.reference.length ? [["label", <span class="foreign" dir="auto">{group.reference.map((text) => shown(text, 200)).join(" | ")}</span>]] : []),
  ];
  return (
    <dl class="tiles small">
      {facts.map(([name, value]) => (<div><dt>{name}</dt><dd>{value}</dd></div>))}
    </dl>
  );
};

export const GroupView = ({ index, row, detail }) => {
  const [group, setGroup] = useState(undefined);
  const [fault, setFault] = useState(null);
  useEffect(() => {
    let current = true;
    setGroup(undefined);
    setFault(null);
    detail(row).then((found) => current && setGroup(found), (error) => current && setFault(String(error)));
    return () => { current = false; };
  }, [row]);
  if (fault) return <p class="notice alarm">This group could not be read: {fault}</p>;
  if (group === undefined) return <p>Reading the group …</p>;
  if (group === null)
    return <p class="notice">The page has the numbers of this group but not its texts: it holds a sample, to stay small. Write the report of this group alone with --id.</p>;
  const clusters = new Map();
  group.clusters.forEach((cluster, member) => {
    if (!clusters.has(cluster)) clusters.set(cluster, []);
    clusters.get(cluster).push(member);
  });
  const ids = [...clusters.keys()].sort((a, b) => a - b);
  return (
    <>
      <Facts index={index} row={row} group={group} />
      {group.detail && <p class="notice foreign">{shown(group.detail, 1000)}</p>}
      {group.prompt !== null && (
        <>
          <h3>Prompt</h3>
          <Foreign text={group.prompt} key={row} />
        </>
      )}
      {group.before && <Both group={group} />}
      <h3>{ids.length === 1 ? "1 cluster" : ids.length ? `${ids.length} clusters` : "Responses"}</h3>
      {ids.length
        ? <Many items={ids} what="clusters" key={row}>{(id, position) => <Cluster key={id} group={group} members={clusters.get(id)} name={`cluster ${id}`} share={group.cluster_shares[id]} first={position === 0} />}</Many>
        : <Many items={[...group.answers.keys()]} what="responses" key={row}>{(member) => <Member key={member} group={group} member={member} />}</Many>}
      <Why group={group} key={`why ${row}`} />
    </>
  );
};
