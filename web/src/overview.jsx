// The first view: the numbers of all groups, computed by `empo_rewards.report.numbers`, and what they mean.
import { h, Fragment } from "preact";
import { Bars, Curves, Histogram, Rates } from "./charts.jsx";
import { Many, numeric, shown } from "./text.jsx";

const count = (number) => number.toLocaleString("en");
const share = (number) => numeric(number);
const percent = (number) => (number === undefined ? "none" : `${(100 * number).toFixed(1)}%`);

// Past so many bars a chart is no overview.
const MOST_BARS = 12;
const few = (counts) => {
  const entries = Object.entries(counts).sort((a, b) => b[1] - a[1]);
  const rest = entries.slice(MOST_BARS).reduce((sum, [, number]) => sum + number, 0);
  return Object.fromEntries([...entries.slice(0, MOST_BARS), ...(rest ? [["all others", rest]] : [])]);
};

// [name, value, class]
const Tiles = ({ title, tiles }) => (
  <section class="tileset" aria-label={title}>
    <h3>{title}</h3>
    <dl class="tiles">
      {tiles.map(([name, value, kind]) => (
        <div class={kind}>
          <dt>{name}</dt>
          <dd>{value}</dd>
        </div>
      ))}
    </dl>
  </section>
);

const AllTiles = ({ numbers }) => {
  const labelled = numbers.labels;
  const unscored = numbers.status.unscored ?? 0;
  return (
    <>
      <Tiles
        title="Groups"
        tiles={[
          ["groups", count(numbers.groups)],
          ["responses", count(numbers.responses)],
          ["scored", count(numbers.status.scored ?? 0)],
          ...(numbers.status.partial ? [["scored in part", count(numbers.status.partial), "warn"]] : []),
          ["unscored", count(unscored), unscored ? "warn" : ""],
        ]}
      />
      <Tiles
        title="Agreement"
        tiles={[
          ["mean entropy (nats)", share(numbers.means.entropy)],
          ["mean largest share", share(numbers.means.largest_share)],
          ["unanimous", percent(numbers.means.unanimous)],
          ["blank responses", percent(numbers.means.blanks)],
          ["caught by a guard", percent(numbers.means.flagged)],
        ]}
      />
      {labelled && (
        <Tiles
          title="Against the labels"
          tiles={[
            ["accuracy", share(labelled.accuracy)],
            ["majority right", share(labelled.pseudo_label_accuracy)],
            ["reward accuracy", share(labelled.reward_accuracy)],
            ["wrong and sure", count(labelled.wrong_and_sure), labelled.wrong_and_sure ? "warn" : ""],
          ]}
        />
      )}
    </>
  );
};

const Sources = ({ sources }) =>
  sources.length > 1 && (
    <>
      <h2>By data source</h2>
      <div class="scrolled" tabIndex="0">
        <table>
          <thead>
            <tr>
              <th scope="col">source</th>
              {["groups", "scored", "entropy", "largest share", "blanks", "accuracy", "majority right"].map((name) => (
                <th scope="col" class="number">{name}</th>
              ))}
            </tr>
          </thead>
          <tbody>
            <Many items={sources} first={20} what="sources" wrap={(more) => <tr><td colSpan="8">{more}</td></tr>}>
              {(row) => <tr key={row.name}>
                <th scope="row" class="foreign">{shown(row.name)}</th>
                <td class="number">{count(row.groups)}</td>
                <td class="number">{count(row.scored)}</td>
                {["entropy", "largest_share", "blanks", "accuracy", "pseudo_label_accuracy"].map((name) => (
                  <td class="number">{share(row[name])}</td>
                ))}
              </tr>}
            </Many>
          </tbody>
        </table>
      </div>
    </>
  );

const Steps = ({ steps }) => {
  const curve = (name) => steps.rows.filter((row) => row[name] !== null && row[name] !== undefined).map((row) => ({ x: row.step, y: row[name] }));
  const shares = { "largest share": curve("largest_share"), unanimous: curve("unanimous"), blanks: curve("blanks"), unscored: curve("unscored") };
  const labels = { accuracy: curve("accuracy"), "majority right": curve("pseudo_label_accuracy"), "reward right": curve("reward_accuracy") };
  const signs = Object.fromEntries(steps.signs.map((name) => [name.replaceAll("_", " "), curve(`monitor/${name}`)]));
  const common = { unit: "step", alarm: steps.alarm };
  return (
    <>
      <h2>Over the steps</h2>
      {steps.alarm !== null && (
        <p class="notice alarm">
          The monitor's alarm is on from step {steps.alarm}. Stop, look at the groups of that step, and go back to an earlier checkpoint or add a KL term.
        </p>
      )}
      {steps.steps_a_point > 1 && <p class="soft">Each point is the mean of {count(steps.steps_a_point)} steps.</p>}
      <div class="charts">
        <Curves title="Entropy" curves={{ entropy: curve("entropy") }} rate="nats" {...common} says="A slow fall is learning; a fall to 0 in a few steps is a collapse on one answer." />
        <Curves title="Agreement" curves={shares} rate="share" domain={[0, 1]} {...common} says="Agreement rises as the model learns. Where nearly all groups are unanimous, nothing is left to learn from." />
        <Curves title="Mean reward" curves={{ reward: curve("reward") }} rate="reward" {...common} says="It rises with agreement, right or wrong: read it beside entropy, and the labels where there are any." />
        {labels.accuracy.length > 0 && <Curves title="Steps against the labels" curves={labels} rate="share" domain={[0, 1]} {...common} says="Accuracy should follow agreement up. Agreement that rises without it rewards errors." />}
        {steps.signs.length > 0 && <Curves title="The monitor's signs" curves={signs} rate="value" {...common} says="What the monitor watches: agreement between prompts should stay low. The page on the monitor explains each sign." />}
      </div>
    </>
  );
};

const Differences = ({ totals }) => (
  <>
    <p class="notice">
      {count(totals.changed)} of {count(totals.groups)} groups differ; this page holds those, as they are in the second.
    </p>
    <div class="charts">
      {totals.changed > 0 && <Bars title="What differs" counts={totals.by_change} says="A group counts once for each way in which it differs." />}
      <figure class="card">
        <h3>Means over all groups</h3>
        <table>
          <thead>
            <tr><th scope="col">metric</th><th scope="col" class="number">first</th><th scope="col" class="number">second</th></tr>
          </thead>
          <tbody>
            {Object.entries(totals.means).map(([name, values]) => (
              <tr>
                <th scope="row">{name.replaceAll("_", " ")}</th>
                {values.map((value) => <td class="number">{share(value)}</td>)}
              </tr>
            ))}
          </tbody>
        </table>
      </figure>
    </div>
  </>
);

export const Overview = ({ index }) => {
  const numbers = index.overview;
  const labels = numbers.labels;
  if (numbers.groups === 0 && !index.comparison) return <p class="notice big">Nothing has been scored yet. Groups appear here as they are.</p>;
  return (
    <>
      {index.notices.map((notice) => <p class="notice">{notice}</p>)}
      {index.comparison && <Differences totals={index.comparison} />}
      <AllTiles numbers={numbers} />
      {numbers.expectation && (
        <>
          <h2>What to expect of training</h2>
          <p class="notice big">{numbers.expectation}</p>
        </>
      )}
      <h2>The groups</h2>
      <div class="charts">
        {numbers.entropy && <Histogram title="Semantic entropy" histogram={numbers.entropy} unit="nats" says="0 where all answers agree, ln G where none do. Groups at both ends give little or no signal." />}
        {numbers.largest_share.counts.some(Boolean) && <Histogram title="Largest share" histogram={numbers.largest_share} unit="share of the largest cluster" says="How much of a group says its most frequent answer. EMPO rewards that answer by it." />}
        {numbers.rewards && <Histogram title="Rewards" histogram={numbers.rewards} unit="reward" what="responses" says="A trainer learns from differences in a group. One bar alone means that there are none." />}
        {numbers.groups > 0 && <Bars title="Group sizes" counts={few(numbers.sizes)} says={numbers.ragged ? `${count(numbers.ragged)} groups have fewer members than were expected or than most have: look at why members are lost.` : "All groups have their members."} />}
        {Object.keys(numbers.causes).length > 0 && <Bars title="Why groups are unscored or stopped" counts={few(numbers.causes)} says="Gates and abstentions are choices of the configuration; each other cause is a fault to mend." />}
        {Object.keys(numbers.found_by).length > 0 && <Bars title="What found the answers" counts={few(numbers.found_by)} unit="responses" says="Answers should come from the extractor that the prompt asks for. Many from a fallback, or none: change the prompt or the extractors." />}
        {Object.keys(numbers.guards).length > 0 && <Bars title="Guards that fired" counts={few(numbers.guards)} unit="responses" says="Each is a response that a guard took for a hack. More of them from step to step: the model is learning it." />}
        {numbers.answer_lengths.counts.some(Boolean) && <Histogram title="Answer lengths" histogram={numbers.answer_lengths} unit="characters" what="answers" says="Long answers are often sentences or fragments: look at what the extractor took." />}
      </div>
      {labels && (
        <>
          <h2>Against the labels</h2>
          <p>
            {count(labels.groups)} groups have a label. The labels touched no reward unless the configuration's strategy uses them.{" "}
            {labels.auroc !== null && `Entropy tells right majorities from wrong ones with AUROC ${labels.auroc.toFixed(3)} (0.5: not at all; 1: always).`}{" "}
            {count(labels.wrong_and_sure)} majorities are wrong and sure (share {labels.sure} or more): rewards by agreement teach errors there.
          </p>
          <div class="charts">
            <Rates title="Accuracy by entropy" bins={labels.accuracy_by_entropy} unit="nats" rate="accuracy" says="Accuracy should fall as entropy rises: then agreement is evidence. The numbers at the top are groups; bars are 95% intervals." />
            <Rates title="Right majorities by entropy" bins={labels.majority_by_entropy} unit="nats" rate="share of right majorities" says="Where this falls below one half, an upper bound on the entropy (a gate) keeps wrong majorities out." />
            <Curves title="pass@k" curves={{ "pass@k": labels.pass_at_k.map(([x, y]) => ({ x, y })) }} unit="k samples" rate="pass@k" domain={[0, 1]} log says="The unbiased estimate. The distance from pass@1 to the right end is what agreement may still bring out." />
          </div>
        </>
      )}
      {numbers.steps && <Steps steps={numbers.steps} />}
      <Sources sources={numbers.sources} />
    </>
  );
};
