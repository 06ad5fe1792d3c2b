package org.peftjava.peft.tuner.lily;

import java.util.ArrayList;
import java.util.Comparator;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import org.jspecify.annotations.Nullable;
import org.peftjava.peft.tuner.DefaultTargets;
import org.peftjava.peft.tuner.LayerAdapter;
import org.peftjava.peft.tuner.LayerAdapter.Role;
import org.peftjava.peft.tuner.LayerAdapter.Weight;
import org.peftjava.peft.tuner.LayerSite;
import org.peftjava.peft.tuner.LayerTunerMethod;
import org.peftjava.peft.tuner.SharedWeights;
import org.peftjava.peft.tuner.TargetModules;
import org.peftjava.torch.DType;
import org.peftjava.torch.Shape;
import org.peftjava.torch.nn.Init;
import org.peftjava.torch.nn.LinearLayer;
import org.peftjava.torch.nn.Module;
import org.peftjava.torch.nn.Parameter;

/** Lily. Reference: PEFT {@code tuners/lily/model.py::LilyModel}. */
public final class LilyMethod extends LayerTunerMethod<LilyConfig> {
  /** The method; {@code TunerMethods} has it. */
  public LilyMethod() {
    super("LILY", "LilyModel", "lily_", LilyConfig.class, DefaultTargets.LORA);
  }

  @Override
  public LilyConfig parse(Map<String, ? extends @Nullable Object> values) {
    return LilyConfig.of(values);
  }

  /**
   * Layers that share matrices.
   *
   * @param name the target that they fit
   */
  private record Kind(String name, long in, long out) {
    static Kind of(LilyConfig config, String path, LinearLayer layer) {
      return new Kind(name(config.targetModules(), path), layer.inFeatures(), layer.outFeatures());
    }

    private static String name(TargetModules targets, String path) {
      return targets instanceof TargetModules.Names names
          ? names.names().stream()
              .filter(path::endsWith)
              .max(Comparator.comparingInt(String::length))
              .orElse("")
          : "";
    }
  }

  /** A and B of each layer, and its number among those of its kind. */
  @Override
  public SharedWeights newShared(LilyConfig config, Map<String, Module> layers) {
    Map<Kind, List<Parameter>> last = new LinkedHashMap<>(); // of each kind
    Map<String, List<Parameter>> parts = new LinkedHashMap<>();
    Map<Kind, Integer> counts = new LinkedHashMap<>();
    Map<String, Integer> numbers = new LinkedHashMap<>();
    layers.forEach(
        (path, layer) -> {
          Kind kind = Kind.of(config, path, (LinearLayer) layer);
          int number = counts.merge(kind, 1, Integer::sum) - 1;
          numbers.put(path, number);
          List<Parameter> own = new ArrayList<>(last.getOrDefault(kind, List.of()));
          if (number == 0) {
            own.add(newA(config, kind));
            own.add(newB(config, kind));
          } else if (number % config.strideA() == 0) {
            own.set(0, newA(config, kind));
          }
          last.put(kind, own);
          parts.put(path, own);
        });
    return new SharedWeights(List.of(), numbers, parts);
  }

  private static Parameter newA(LilyConfig config, Kind kind) {
    return parameter(Init.kaimingUniform(kind.in()), config.r(), kind.in());
  }

  private static Parameter newB(LilyConfig config, Kind kind) {
    Init init = config.initWeights() ? Init.zeros() : Init.kaimingUniform(kind.out());
    return parameter(init, (long) config.numB() * config.r(), kind.out());
  }

  private static Parameter parameter(Init init, long... sizes) {
    Parameter result = new Parameter(Shape.of(sizes), DType.FLOAT32, init);
    result.initialize();
    return result;
  }

  @Override
  public LayerAdapter newAdapter(LayerSite site, LilyConfig config) {
    List<Parameter> parts = site.shared().parts(site.path());
    int number = site.shared().number(site.path());
    boolean ownsA = number % config.strideA() == 0;
    return new LilyAdapter(
        weight("lily_A", site.place(parts.get(0)), ownsA),
        weight("lily_B", site.place(parts.get(1)), number == 0),
        site.parameter(Init.kaimingUniform(config.r()), config.numB(), config.r()),
        config.scaling());
  }

  private static Weight weight(String group, Parameter parameter, boolean isOwned) {
    return new Weight(group, "weight", parameter, isOwned ? Role.TRAINED : Role.TIED);
  }
}
