package org.peftjava.peft.tuner;

import java.util.ArrayList;
import java.util.Arrays;
import java.util.Collections;
import java.util.IdentityHashMap;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Set;
import java.util.function.Function;
import java.util.function.Predicate;
import java.util.regex.Matcher;
import org.peftjava.torch.nn.Module;
import org.peftjava.torch.nn.Parameter;

/**
 * Turns the targets of a config into paths of a model.
 *
 * <p>Reference: PEFT {@code tuners_utils.py::check_target_module_exists} and {@code
 * inject_adapter}, row by row in golden/matching.json. Different on purpose: {@code all-linear}
 * leaves out fully trained heads for every task (Python fails for TOKEN_CLS and QUESTION_ANS), and
 * a module of several layers is trained in full layer by layer.
 */
public final class TargetMatcher {
  private final BaseModel model;
  private final TargetSpec spec;
  private final Predicate<String> isExcluded;
  private final Predicate<String> isTarget;

  /**
   * What a config selects.
   *
   * @param paths the modules to adapt, in the model's order
   * @param modulesToSave the modules to train in full, in the model's order
   * @param targets the targets with defaults and shorthands resolved: what the adapter's file says
   * @param warnings what is probably a mistake
   */
  public record Match(
      List<String> paths,
      List<String> modulesToSave,
      TargetModules targets,
      List<String> warnings) {}

  private TargetMatcher(BaseModel model, TargetSpec spec) {
    this.model = model;
    this.spec = spec;
    isExcluded = excluded(spec);
    isTarget = target(spec);
  }

  /**
   * Selects modules.
   *
   * @param defaultTargets the method's default names for an architecture
   * @throws NoMatchingModulesException if nothing is selected
   */
  public static Match match(
      BaseModel model, TargetSpec spec, Function<String, Optional<List<String>>> defaultTargets) {
    TargetModules resolved = resolve(model, spec, defaultTargets);
    return new TargetMatcher(model, spec.withTargets(resolved)).match(false);
  }

  /** The same for a config that may select no module, because it selects something else. */
  public static Match matchOrNothing(
      BaseModel model, TargetSpec spec, Function<String, Optional<List<String>>> defaultTargets) {
    boolean hasNoDefault =
        spec.targets() instanceof TargetModules.ModelDefault
            && model.modelType().flatMap(defaultTargets).isEmpty();
    TargetModules targets =
        hasNoDefault ? TargetModules.names(List.of()) : resolve(model, spec, defaultTargets);
    Match match = new TargetMatcher(model, spec.withTargets(targets)).match(true);
    return hasNoDefault
        ? new Match(match.paths(), match.modulesToSave(), spec.targets(), match.warnings())
        : match;
  }

  private static TargetModules resolve(
      BaseModel model, TargetSpec spec, Function<String, Optional<List<String>>> defaultTargets) {
    TargetModules targets = spec.targets();
    TargetModules result = targets;
    if (targets instanceof TargetModules.ModelDefault) {
      result =
          TargetModules.names(
              model
                  .modelType()
                  .flatMap(defaultTargets)
                  .orElseThrow(() -> TargetSuggestions.noDefault(model)));
    } else if (targets instanceof TargetModules.AllLinear) {
      Set<String> names = new LinkedHashSet<>(model.linearLayers().keySet());
      if (model.outputEmbeddings().isPresent()) {
        names.remove(model.outputEmbeddings().get());
      } else {
        names.removeIf(path -> isNamed(spec.modulesToSave(), path)); // the heads of classifiers
      }
      result = TargetModules.names(names.stream().sorted().toList());
    }
    return result instanceof TargetModules.Names names && !spec.keepsNames()
        ? new TargetModules.Names(MinimalTargets.reduce(names.names(), model.modules().keySet()))
        : result;
  }

  private Match match(boolean mayBeEmpty) {
    List<String> paths = new ArrayList<>();
    List<String> saved = new ArrayList<>();
    int excluded = 0;
    int unmatched = 0;
    Map<String, Module> modules = model.modules();
    for (String path : modules.keySet()) {
      if (isNamed(spec.modulesToSave(), path)) {
        saved.addAll(copyable(path, modules.get(path)));
        excluded++;
      } else if (isExcluded.test(path)) {
        excluded++;
      } else if (isTarget.test(path)) {
        paths.add(path);
      } else {
        unmatched++;
      }
    }
    if (paths.isEmpty() && !mayBeEmpty) {
      throw TargetSuggestions.nothingMatched(model, spec, excluded, unmatched);
    }
    List<String> warnings = new ArrayList<>();
    if (paths.isEmpty()
        && !(spec.targets() instanceof TargetModules.Names names && names.names().isEmpty())) {
      warnings.add("targetModules " + spec.targets() + " match no module.");
    }
    if (spec.exclude().isPresent() && excluded == 0) {
      warnings.add(
          "excludeModules "
              + spec.exclude().get()
              + " excluded no module of "
              + model.className()
              + ". Check the names.");
    }
    List<String> unknown =
        spec.modulesToSave().stream()
            .filter(
                name -> Arrays.stream(TaskType.values()).noneMatch(t -> t.heads().contains(name)))
            .filter(name -> modules.keySet().stream().noneMatch(path -> path.endsWith(name)))
            .toList();
    if (!unknown.isEmpty()) {
      warnings.add(
          "modulesToSave "
              + unknown
              + " name no module of "
              + model.className()
              + " and are ignored. Check the names.");
    }
    return new Match(List.copyOf(paths), List.copyOf(saved), spec.targets(), List.copyOf(warnings));
  }

  /** The modules that names in modulesToSave mean. */
  static List<String> named(BaseModel model, List<String> names) {
    Map<String, Module> modules = model.modules();
    return modules.entrySet().stream()
        .filter(entry -> isNamed(names, entry.getKey()))
        .flatMap(entry -> copyable(entry.getKey(), entry.getValue()).stream())
        .distinct()
        .toList();
  }

  /** The module itself; or the layers in it, if they can be copied and hold all its weights. */
  private static List<String> copyable(String path, Module module) {
    if (module instanceof LayerWrapper || ModuleCopies.canCopy(module)) {
      return List.of(path);
    }
    List<String> layers = new ArrayList<>();
    Set<Parameter> rest = Collections.newSetFromMap(new IdentityHashMap<>());
    rest.addAll(module.namedState().values());
    module
        .namedModules()
        .forEach(
            (below, layer) -> {
              String whole = path + "." + below;
              boolean isInside = layers.stream().anyMatch(found -> whole.startsWith(found + "."));
              if (!isInside && (layer instanceof LayerWrapper || ModuleCopies.canCopy(layer))) {
                layers.add(whole);
                rest.removeAll(layer.namedState().values());
              }
            });
    return rest.isEmpty() ? layers : List.of(path);
  }

  /** Not at a dot, as in Python: "classifier" means DistilBERT's "pre_classifier" too. */
  private static boolean isNamed(List<String> names, String path) {
    return names.stream().anyMatch(path::endsWith);
  }

  private static Predicate<String> excluded(TargetSpec spec) {
    Predicate<String> byConfig =
        spec.exclude().map(targets -> named(targets, "excludeModules")).orElse(path -> false);
    return path ->
        byConfig.test(path)
            || spec.modulesToSave().stream()
                .anyMatch(name -> path.startsWith(name + ".") || path.contains("." + name + "."));
  }

  private static Predicate<String> target(TargetSpec spec) {
    if (spec.targets() instanceof TargetModules.Names names
        && !spec.layersToTransform().isEmpty()) {
      Set<String> exact = Set.copyOf(names.names());
      Predicate<String> bySuffix = named(names, "targetModules");
      Function<String, Optional<Integer>> layer = layerNumber(spec.layersPattern());
      return path ->
          exact.contains(path)
              || (bySuffix.test(path)
                  && layer.apply(path).filter(spec.layersToTransform()::contains).isPresent());
    }
    return named(spec.targets(), "targetModules");
  }

  private static Predicate<String> named(TargetModules targets, String field) {
    if (targets instanceof TargetModules.Regex regex) {
      return PythonRegex.compile(regex.pattern(), field)::fullMatch;
    }
    List<String> names = ((TargetModules.Names) targets).names();
    Set<String> exact = Set.copyOf(names);
    return path ->
        exact.contains(path) || names.stream().anyMatch(name -> path.endsWith("." + name));
  }

  /**
   * The number of the layer that a path runs through: the first element that is a number, or the
   * first that follows a list of one of the given names.
   */
  private static Function<String, Optional<Integer>> layerNumber(List<String> patterns) {
    List<PythonRegex> expressions =
        patterns.isEmpty()
            ? List.of(PythonRegex.compile(".*?\\.[^.]*\\.(\\d+)\\.", "layersPattern"))
            : patterns.stream()
                .map(
                    name ->
                        PythonRegex.compile(
                            "(?:^|.*?\\.)" + name + "\\.(?P<idx>\\d+)\\.", "layersPattern"))
                .toList();
    return path ->
        expressions.stream()
            .map(expression -> expression.matcher(path))
            .filter(Matcher::lookingAt)
            .findFirst()
            .map(matcher -> Integer.valueOf(matcher.group(matcher.groupCount())));
  }
}
