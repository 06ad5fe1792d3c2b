package org.peftjava.peft.tuner;

import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.Set;
import java.util.function.Function;
import org.peftjava.torch.nn.Module;

/**
 * Which layers get trained tokens beside an adapter. All checks are made with it, so that what
 * follows cannot fail.
 *
 * <p>Reference: PEFT {@code utils/other.py::set_additional_trainable_modules}.
 *
 * @param tokens ids by path of the layer
 * @param ties layers that get the rows of another one: their paths and its
 * @param warnings what is probably a mistake
 */
record TokenPlan(Map<String, List<Long>> tokens, Map<String, String> ties, List<String> warnings) {
  /**
   * Finds the layers.
   *
   * @param adapted paths of the layers that the adapter itself is for
   * @param saved paths of the layers that are trained in full
   */
  static TokenPlan of(
      BaseModel model, TokenTargets targets, Set<String> adapted, List<String> saved) {
    Map<String, List<Long>> tokens = new LinkedHashMap<>();
    targets
        .tokens()
        .forEach((name, ids) -> paths(model, name).forEach(path -> tokens.put(path, ids)));
    Map<String, String> ties = new LinkedHashMap<>();
    List<String> warnings = new ArrayList<>();
    String input = model.inputEmbeddings().orElse(TokenTargets.INPUT);
    List<String> sharing = model.tiedTo(input);
    if (targets.ensuresTies() && !tokens.isEmpty() && sharing.isEmpty()) {
      warnings.add(
          "ensureWeightTying is true, but no layer shares the weight of the token embeddings.");
    }
    Set<String> tied = new LinkedHashSet<>(sharing);
    tied.add(input);
    tied.retainAll(tokens.keySet());
    boolean differ = tied.stream().map(tokens::get).distinct().count() > 1;
    if (differ && targets.ensuresTies()) {
      throw new IllegalArgumentException(
          "ensureWeightTying cannot tie layers with different tokens: "
              + tokens
              + ". Train the same tokens in "
              + tied
              + ", or do not ask for it.");
    }
    if (!differ && tokens.containsKey(input)) {
      sharing.forEach(
          path -> {
            tokens.remove(path);
            ties.put(path, input);
          });
    }
    tokens.forEach((path, ids) -> check(model, path, ids, adapted, saved));
    ties.keySet().forEach(path -> check(model, path, List.of(0L), adapted, saved));
    return new TokenPlan(tokens, ties, warnings);
  }

  /** Makes the adapters of these layers. */
  void addTo(Map<String, LayerAdapter> adapters, Function<String, LayerSite> site) {
    Map<String, TokensAdapter> made = new LinkedHashMap<>();
    tokens.forEach(
        (path, ids) ->
            made.put(
                path,
                TokensAdapter.of(
                    site.apply(path),
                    ids.stream().mapToLong(Long::longValue).toArray(),
                    false,
                    true)));
    ties.forEach(
        (path, owner) ->
            made.put(
                path, Objects.requireNonNull(made.get(owner)).tiedTo(site.apply(path).layer())));
    adapters.putAll(made);
  }

  private static List<String> paths(BaseModel model, String name) {
    String wanted =
        name.equals(TokenTargets.INPUT) ? model.inputEmbeddings().orElse("embed_tokens") : name;
    List<String> paths = TargetMatcher.named(model, List.of(wanted));
    if (paths.isEmpty()) {
      throw new IllegalArgumentException(
          "trainableTokenIndices names \""
              + wanted
              + "\", but "
              + model.className()
              + " has no such module. Name an embedding or a head by its path or the end of it.");
    }
    return paths;
  }

  private static void check(
      BaseModel model, String path, List<Long> ids, Set<String> adapted, List<String> saved) {
    Module layer = model.original(path);
    if (!TokensAdapter.fits(layer)) {
      throw new IllegalArgumentException(
          "trainableTokenIndices names \""
              + path
              + "\", a "
              + layer.getClass().getSimpleName()
              + ", which has no rows for tokens. Embeddings and linear layers have.");
    }
    if (adapted.contains(path)) {
      throw new IllegalArgumentException(
          "Module \""
              + path
              + "\" is both in targetModules and in trainableTokenIndices. Leave it out of one.");
    }
    if (saved.contains(path) || model.isSaved(path)) {
      throw new IllegalArgumentException(
          "Module \""
              + path
              + "\" is already trained in full (modulesToSave). Leave it out of that or of"
              + " trainableTokenIndices.");
    }
    TokensAdapter.checked(path, layer, ids);
  }
}
