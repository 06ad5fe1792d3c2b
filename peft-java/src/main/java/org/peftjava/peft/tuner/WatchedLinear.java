package org.peftjava.peft.tuner;

import java.util.LinkedHashMap;
import java.util.Map;
import java.util.Optional;
import org.peftjava.torch.DType;
import org.peftjava.torch.Tensor;
import org.peftjava.torch.nn.LinearLayer;
import org.peftjava.torch.nn.Module;
import org.peftjava.torch.nn.ModulePath;
import org.peftjava.torch.nn.Parameter;

/** A linear layer that shows what passes through it, while some work is done. */
public final class WatchedLinear extends Module implements LinearLayer {
  private final LinearLayer layer;
  private final Watcher watcher;

  /** Looks at a layer's input and output. */
  public interface Watcher {
    /** Sees what the layer gets: (..., d). */
    default void input(Tensor x) {}

    /** Sees what it gives, (..., o), and says what goes on in its place. */
    default Tensor output(Tensor y) {
      return y;
    }
  }

  private WatchedLinear(Module layer, Watcher watcher) {
    child("base_layer", Module.class, layer);
    this.layer = (LinearLayer) layer;
    this.watcher = watcher;
  }

  /**
   * Does work while linear layers are watched; the model is as before afterwards.
   *
   * @param watchers by path below {@code root}
   */
  public static void during(Module root, Map<String, ? extends Watcher> watchers, Runnable work) {
    Map<String, Module> before = new LinkedHashMap<>();
    try {
      watchers.forEach(
          (path, watcher) -> {
            Module layer = ModulePath.get(root, path);
            ModulePath.replace(root, path, new WatchedLinear(layer, watcher));
            before.put(path, layer);
          });
      work.run();
    } finally {
      before.forEach((path, layer) -> ModulePath.replace(root, path, layer));
    }
  }

  @Override
  public Tensor forward(Tensor x) {
    watcher.input(x);
    return watcher.output(layer.forward(x));
  }

  @Override
  public long inFeatures() {
    return layer.inFeatures();
  }

  @Override
  public long outFeatures() {
    return layer.outFeatures();
  }

  @Override
  public Tensor denseWeight(DType type) {
    return layer.denseWeight(type);
  }

  @Override
  public void replaceWeight(Tensor dense) {
    layer.replaceWeight(dense);
  }

  @Override
  public Optional<Parameter> bias() {
    return layer.bias();
  }

  @Override
  public DType computeDtype() {
    return layer.computeDtype();
  }

  @Override
  public DType changeDtype() {
    return layer.changeDtype();
  }
}
