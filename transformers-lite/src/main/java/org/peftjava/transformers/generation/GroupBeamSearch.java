package org.peftjava.transformers.generation;

import java.util.ArrayList;
import java.util.Arrays;
import java.util.Comparator;
import java.util.List;
import java.util.Optional;
import java.util.stream.IntStream;
import org.peftjava.torch.Creation;
import org.peftjava.torch.DType;
import org.peftjava.torch.Ops;
import org.peftjava.torch.Tensor;
import org.peftjava.torch.TensorScope;
import org.peftjava.transformers.tokenizer.TokenIds;

/**
 * Beam search in groups that avoid each other's tokens (arXiv:1610.02424).
 *
 * <p>Reference: {@code _group_beam_search} and {@code BeamSearchScorer} of transformers 4; version
 * 5 loads the same from the hub. Letters: {@code p} prompts, {@code k} beams of a group, {@code v}
 * vocabulary. The beams of a prompt are neighbours, and so are those of a group.
 */
final class GroupBeamSearch {
  private static final float NEVER = -1e9f;

  private final TokenSearch search;
  private final GenerationConfig config;
  private final OutputRecorder recorder;
  private final int prompts;
  private final int beams;
  private final int groups;
  private final int groupSize;
  private final Hypotheses[] ended;
  private final float[] scores;
  private BeamRows rows;

  GroupBeamSearch(TokenSearch search, GenerationConfig config) {
    this.search = search;
    this.config = config;
    recorder = new OutputRecorder(config);
    prompts = search.prompts().length;
    beams = config.numBeams();
    groups = config.numBeamGroups();
    groupSize = beams / groups;
    ended = new Hypotheses[prompts * groups];
    Arrays.setAll(ended, i -> new Hypotheses(config));
    rows = new BeamRows(search.rows(beams));
    scores = new float[prompts * beams];
    for (int row = 0; row < scores.length; row++) {
      scores[row] = row % groupSize == 0 ? 0 : NEVER;
    }
  }

  private long filler() {
    return config
        .padTokenId()
        .orElse(config.eosTokenIds().isEmpty() ? 0 : config.eosTokenIds().get(0));
  }

  GenerateOutput run() {
    int at = search.width();
    boolean goOn = true;
    while (goOn) {
      long[] tokens = new long[prompts * beams];
      long[] origins = new long[prompts * beams];
      step(at, tokens, origins);
      BeamRows next = new BeamRows(tokens.length);
      for (int row = 0; row < tokens.length; row++) {
        next.set(row, rows, (int) origins[row], tokens[row]);
      }
      rows = next;
      at++;
      goOn = at < search.length() && !allDone(at);
      if (goOn) {
        search.steps().reorder(origins, search.width());
      }
    }
    return output(at);
  }

  private boolean allDone(int at) {
    InputIds seen = search.seen(rows.ids(), at);
    return Arrays.stream(ended).allMatch(Hypotheses::isDone)
        || IntStream.range(0, seen.rows()).allMatch(row -> search.stops().isDone(seen, row));
  }

  private void step(int at, long[] tokens, long[] origins) {
    try (TensorScope scope = TensorScope.open("group beam step")) {
      Tensor logits = search.logits(rows.ids(), at);
      recorder.logits(logits);
      Tensor logProbs = Ops.logSoftmax(logits, -1, DType.FLOAT32);
      Tensor all = logProbs.copy();
      for (int group = 0; group < groups; group++) {
        int[] members = members(group);
        search.processors().diversity().chosen(chosen(tokens, group));
        Tensor index = index(members);
        long[][] ids =
            Arrays.stream(members).mapToObj(row -> rows.ids()[row]).toArray(long[][]::new);
        Tensor processed =
            search.processors().apply(search.seen(ids, at), logProbs.indexSelect(0, index));
        all.indexCopyInPlace(0, index, processed);
        choose(at, group, members, processed, tokens, origins);
      }
      recorder.scores(all);
    }
  }

  /** The rows of a group, prompt by prompt. */
  private int[] members(int group) {
    return IntStream.range(0, prompts * groupSize)
        .map(i -> i / groupSize * beams + group * groupSize + i % groupSize)
        .toArray();
  }

  private Tensor index(int[] members) {
    long[] values = Arrays.stream(members).asLongStream().toArray();
    return Creation.ofLongs(values, values.length).to(search.device());
  }

  /** For each prompt the tokens that groups before this one have chosen. */
  private long[][] chosen(long[] tokens, int group) {
    long[][] chosen = new long[prompts][];
    Arrays.setAll(
        chosen,
        prompt -> Arrays.copyOfRange(tokens, prompt * beams, prompt * beams + group * groupSize));
    return chosen;
  }

  /** Reads the best continuations of a group, and takes ended ones in. */
  private void choose(
      int at, int group, int[] members, Tensor logProbs, long[] tokens, long[] origins) {
    long vocabSize = logProbs.size(1);
    float[] before = new float[members.length];
    for (int i = 0; i < before.length; i++) {
      before[i] = scores[members[i]];
    }
    Tensor total =
        logProbs
            .add(Creation.ofFloats(before, before.length, 1).to(search.device()))
            .reshape(prompts, groupSize * vocabSize);
    int count = Math.max(2, 1 + config.eosTokenIds().size()) * groupSize;
    Ops.Ranked best = Ops.topK(total, Math.min(count, groupSize * vocabSize));
    long[] places = best.indices().toLongs();
    float[] sums = best.values().toFloats();
    int perPrompt = places.length / prompts;
    for (int prompt = 0; prompt < prompts; prompt++) {
      int first = prompt * beams + group * groupSize;
      Hypotheses hypotheses = ended[prompt * groups + group];
      if (hypotheses.isDone()) {
        for (int row = first; row < first + groupSize; row++) {
          tokens[row] = filler();
          origins[row] = row;
          scores[row] = 0;
        }
        continue;
      }
      int filled = 0;
      for (int rank = 0; rank < perPrompt && filled < groupSize; rank++) {
        int place = prompt * perPrompt + rank;
        int origin = first + (int) (places[place] / vocabSize);
        long token = places[place] % vocabSize;
        if (!config.eosTokenIds().contains(token)) {
          tokens[first + filled] = token;
          origins[first + filled] = origin;
          scores[first + filled++] = sums[place];
        } else if (rank < groupSize) {
          end(hypotheses, sums[place], origin, at);
        }
      }
      hypotheses.check(
          sums[prompt * perPrompt], at + 1 - search.width(), search.length() - search.width());
    }
  }

  private void end(Hypotheses hypotheses, float sum, int origin, int at) {
    List<Integer> origins = origins(origin, at);
    origins.add(origin);
    hypotheses.add(sum, at + 1 - search.width(), ids(origin, at), origins);
  }

  private List<Long> ids(int row, int at) {
    return Arrays.stream(rows.ids()[row], 0, at).boxed().toList();
  }

  private List<Integer> origins(int row, int at) {
    return new ArrayList<>(
        Arrays.stream(rows.origins()[row], 0, at - search.width()).boxed().toList());
  }

  private GenerateOutput output(int at) {
    for (int row = 0; row < scores.length; row++) {
      Hypotheses hypotheses = ended[row / groupSize];
      if (!hypotheses.isDone()) {
        hypotheses.add(scores[row], at - search.width(), ids(row, at), origins(row, at));
      }
    }
    List<Hypotheses.Hypothesis> best = new ArrayList<>();
    for (int prompt = 0; prompt < prompts; prompt++) {
      Arrays.stream(ended, prompt * groups, (prompt + 1) * groups)
          .flatMap(hypotheses -> hypotheses.kept().stream())
          .sorted(Comparator.comparingDouble(Hypotheses.Hypothesis::score).reversed())
          .limit(config.numReturnSequences())
          .forEach(best::add);
    }
    int longest = best.stream().mapToInt(one -> one.ids().size()).max().orElse(0);
    int length = Math.min(longest + 1, search.length());
    float[] sequencesScores = new float[best.size()];
    for (int i = 0; i < sequencesScores.length; i++) {
      sequencesScores[i] = (float) best.get(i).score();
    }
    return new GenerateOutput(
        new TokenIds(best.stream().map(one -> padded(one, length)).toArray(long[][]::new)),
        config.outputScores() ? Optional.of(sequencesScores) : Optional.empty(),
        recorder.scores(),
        recorder.logits(),
        Optional.of(best.stream().map(one -> padded(one.origins(), length)).toArray(int[][]::new)));
  }

  /** The tokens, an end token if it fits, and the filler. */
  private long[] padded(Hypotheses.Hypothesis one, int length) {
    long[] ids = new long[length];
    Arrays.fill(ids, filler());
    int size = one.ids().size();
    Arrays.setAll(ids, i -> i < size ? one.ids().get(i) : ids[i]);
    if (size < length && !config.eosTokenIds().isEmpty()) {
      ids[size] = config.eosTokenIds().get(0);
    }
    return ids;
  }

  private int[] padded(List<Integer> origins, int length) {
    int[] row = new int[length - search.width()];
    Arrays.setAll(row, i -> i < origins.size() ? origins.get(i) : -1);
    return row;
  }
}
