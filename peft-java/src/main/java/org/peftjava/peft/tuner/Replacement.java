package org.peftjava.peft.tuner;

import java.util.LinkedHashMap;
import java.util.Map;
import java.util.function.Consumer;
import org.peftjava.torch.DType;
import org.peftjava.torch.GradMode;
import org.peftjava.torch.TensorScope;

/** Puts new weights, perhaps of other sizes, in place of an adapter's, layer by layer. */
public final class Replacement {
  private Replacement() {}

  /**
   * Gives each layer of an adapter a new one. Nothing has changed if it throws.
   *
   * @param config the adapter's config from now on
   * @param making the config by which the new ones are made, without values
   * @param fill gives the new ones, by the paths of their layers, all their values
   */
  public static void of(
      TunedModel model,
      String name,
      TunerConfig config,
      TunerConfig making,
      Consumer<Map<String, LayerAdapter>> fill) {
    of(model, name, TunerMethods.ofLayers(config.peftType()), config, making, fill);
  }

  private static <C extends TunerConfig> void of(
      TunedModel model,
      String name,
      TunerMethod<C> method,
      TunerConfig config,
      TunerConfig making,
      Consumer<Map<String, LayerAdapter>> fill) {
    Map<String, LayerAdapter> made = new LinkedHashMap<>();
    try (TensorScope scope = TensorScope.open("replace adapter");
        GradMode off = GradMode.noGrad();
        BaseChanges changes = new BaseChanges()) {
      model
          .layers()
          .forEach(
              (path, layer) -> {
                LayerAdapter old = layer.adapters().get(name);
                if (old != null) {
                  LayerSite site =
                      LayerSite.of(
                          path,
                          layer.original(),
                          like(old),
                          SharedWeights.NONE,
                          changes,
                          model.adapters());
                  made.put(path, method.newAdapter(site, method.configType().cast(making)));
                }
              });
      fill.accept(made);
    } catch (RuntimeException e) {
      made.values().forEach(a -> a.weights().forEach(weight -> weight.parameter().close()));
      throw e;
    }
    model
        .layers()
        .forEach(
            (path, layer) -> {
              LayerAdapter adapter = made.get(path);
              if (adapter != null) {
                layer.delete(name);
                layer.add(name, adapter);
              }
            });
    model.reconfigure(name, config);
  }

  private static AddOptions like(LayerAdapter old) {
    return new AddOptions(old.weights().get(0).parameter().dtype() == DType.FLOAT32, true);
  }
}
