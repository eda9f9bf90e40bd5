// One group: the prompt, its clusters with their responses, and why two answers are one or not.
import { h, Fragment } from "preact";
import { useEffect, useState } from "preact/hooks";
import { Foreign, Formula, Response, shown } from "./text.jsx";

const SPELLINGS = 40;

const number = (value) => (value === null || value === undefined ? "none" : value.toFixed(4));

// The rewards of these responses: one number where they have the same, else the least and the most.
const rewardsOf = (group, members) => {
  const shown = members.map((member) => group.rewards[member]).sort((a, b) => a - b).map(number);
  return shown[0] === shown.at(-1) ? shown[0] : `${shown[0]} to ${shown.at(-1)}`;
};

const Member = ({ group, member }) => {
  const answer = group.answers[member];
  const correct = group.correct === null ? null : group.correct[member];
  return (
    <details>
      <summary>
        response {member}
        <span class="facts">
          {answer.extractor ? `found by ${shown(answer.extractor)}` : answer.kind}
          {answer.truncated && ", cut off"} · reward {number(group.rewards[member])}
          {group.advantages && ` · GRPO advantage ${number(group.advantages[member])}`}
          {correct !== null && <span class={correct ? "good" : "bad"}> · {correct ? "agrees with the label" : "differs from the label"}</span>}
          {group.flags[member]?.length > 0 && <span class="bad"> · guard: {group.flags[member].map((flag) => shown(flag)).join(", ")}</span>}
        </span>
      </summary>
      {group.responses ? <Response text={group.responses[member]} answer={answer} /> : <p class="soft">The report was made without the rollouts, so it has no text of the responses.</p>}
    </details>
  );
};

const Cluster = ({ group, members, name, share, first }) => {
  const answers = [...new Set(members.map((member) => group.answers[member].text))];
  return (
    <details open={first}>
      <summary>
        <span class="bar" style={{ width: `${Math.round(90 * (share ?? 0))}px` }} aria-hidden="true" />
        <strong>{name}</strong>
        <span class="facts">
          {share !== null && `share ${share.toFixed(3)} · `}
          {members.length} {members.length === 1 ? "response" : "responses"} · reward {rewardsOf(group, members)}
        </span>{" "}
        <span class="answer foreign" dir="auto">{shown(answers[0] || `(${group.answers[members[0]].kind})`, 160)}</span>
      </summary>
      <dl class="facts spellings">
        {answers.slice(0, SPELLINGS).map((text) => (
          <>
            <dt class="answer foreign" dir="auto">{shown(text, 2000)}</dt>
            <dd><Formula text={text} /></dd>
          </>
        ))}
      </dl>
      {answers.length > SPELLINGS && <p class="soft">and {answers.length - SPELLINGS} more spellings</p>}
      {members.map((member) => <Member group={group} member={member} />)}
    </details>
  );
};

const Why = ({ group }) => {
  const texts = group.texts;
  const [pair, setPair] = useState([0, Math.min(1, texts.length - 1)]);
  if (texts.length < 2) return null;
  const [i, j] = pair[0] < pair[1] ? pair : [pair[1], pair[0]];
  const reason = group.reasons?.[`${i},${j}`];
  const joined = group.texts_clusters[i] === group.texts_clusters[j];
  const choice = (side) => (
    <label>
      {side === 0 ? "one answer " : "another "}
      <select value={pair[side]} onChange={(event) => setPair(side === 0 ? [Number(event.target.value), pair[1]] : [pair[0], Number(event.target.value)])}>
        {texts.map((text, k) => <option value={k}>{shown(text, 70)}</option>)}
      </select>
    </label>
  );
  return (
    <section class="why" aria-labelledby="why">
      <h3 id="why">Why are two answers one, or not?</h3>
      <div class="filters">{choice(0)}{choice(1)}</div>
      {i === j ? (
        <p>It is the same text.</p>
      ) : reason ? (
        <dl class="facts">
          <dt>relation</dt>
          <dd class={reason.relation === "equal" ? "good" : ""}>{`${reason.relation}: ${joined ? "one cluster" : "different clusters"}`}</dd>
          <dt>by</dt>
          <dd>{shown(reason.rule)}</dd>
          {Object.entries(reason.facts).map(([name, value]) => (
            <>
              <dt>{shown(name)}</dt>
              <dd class="foreign" dir="auto">{shown(String(value), 2000)}</dd>
            </>
          ))}
        </dl>
      ) : (
        <p class="soft">{joined ? "They are in one cluster." : "They are in different clusters."} {group.why_not}</p>
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
            {group.answers.map((_, member) => {
              const [was, is] = [side(before, member), side(group, member)];
              return (
                <tr>
                  <th scope="row">{member}</th>
                  {was.map((value) => <td class="foreign" dir="auto">{value}</td>)}
                  {is.map((value, k) => <td class="foreign" dir="auto">{String(value) === String(was[k]) ? value : <strong>{value}</strong>}</td>)}
                </tr>
              );
            })}
          </tbody>
        </table>
      </div>
    </>
  );
};

export const GroupView = ({ index, row, detail }) => {
  const columns = index.columns;
  const [group, setGroup] = useState(undefined);
  const [fault, setFault] = useState(null);
  useEffect(() => {
    let current = true;
    setGroup(undefined);
    setFault(null);
    detail(row).then((found) => current && setGroup(found), (error) => current && setFault(String(error)));
    return () => { current = false; };
  }, [row]);
  const facts = [
    ["outcome", columns.outcome[row]],
    ["semantic entropy", columns.entropy[row] === null ? "none" : `${columns.entropy[row].toFixed(4)} nats`],
    ["members", `${columns.size[row]}`],
    ...(columns.accuracy[row] === null ? [] : [["accuracy", columns.accuracy[row].toFixed(3)]]),
  ];
  if (fault) return <p class="notice alarm">This group could not be read: {fault}</p>;
  if (group === undefined) return <p>Reading the group …</p>;
  if (group === null)
    return <p class="notice">The page has the numbers of this group but not its texts: it holds a sample, to stay small. Write the report of this group alone with --id.</p>;
  const clusters = new Map();
  group.clusters.forEach((cluster, member) => clusters.set(cluster, [...(clusters.get(cluster) ?? []), member]));
  const ids = [...clusters.keys()].sort((a, b) => a - b);
  return (
    <>
      <dl class="facts">
        {facts.map(([name, value]) => (<><dt>{name}</dt><dd>{value}</dd></>))}
        {group.detail && (<><dt>detail</dt><dd class="foreign">{shown(group.detail, 1000)}</dd></>)}
        {group.reference.length > 0 && (<><dt>label</dt><dd class="foreign" dir="auto">{group.reference.map((text) => shown(text, 300)).join(" | ")}</dd></>)}
      </dl>
      {group.prompt !== null && (
        <>
          <h3>Prompt</h3>
          <Foreign text={group.prompt} />
        </>
      )}
      {group.before && <Both group={group} />}
      <h3>{ids.length ? `${ids.length} clusters` : "Responses"}</h3>
      {ids.length
        ? ids.map((id, position) => <Cluster group={group} members={clusters.get(id)} name={`cluster ${id}`} share={group.cluster_shares[id]} first={position === 0} />)
        : group.answers.map((_, member) => <Member group={group} member={member} />)}
      <Why group={group} key={row} />
    </>
  );
};
