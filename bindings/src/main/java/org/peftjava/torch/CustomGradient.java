package org.peftjava.torch;

import java.util.ArrayList;
import java.util.Arrays;
import java.util.Collections;
import java.util.List;
import org.bytedeco.javacpp.Pointer;
import org.bytedeco.javacpp.PointerScope;
import org.bytedeco.pytorch.Edge;
import org.bytedeco.pytorch.FunctionPostHook;
import org.bytedeco.pytorch.FunctionPreHook;
import org.bytedeco.pytorch.Node;
import org.bytedeco.pytorch.TensorVector;
import org.bytedeco.pytorch.global.torch;
import org.jspecify.annotations.Nullable;

/**
 * An autograd function written in Java: a value computed by hand, and a backward that returns the
 * gradients of its inputs.
 *
 * <p>How it works on the stock presets: {@code cat} over dummy scalars gives a graph node with one
 * edge per input. The edges are pointed at the inputs. A hook before the node takes the incoming
 * gradient and passes an undefined tensor on, so that the node itself computes nothing; a hook
 * after the node returns the real gradients.
 *
 * <p>Saved tensors stay alive until the backward has run, or until the graph scope ends ({@link
 * TensorScope#openGraph}). One that can be computed again from what is kept anyway ({@link Recipe})
 * is, instead of being kept.
 */
public final class CustomGradient {
  private static final org.bytedeco.pytorch.Tensor DUMMY;
  private static final TensorVector UNDEFINED;

  static {
    org.peftjava.torch.runtime.NativeRuntime.ensureLoaded();
    try (PointerScope scope = new PointerScope()) {
      DUMMY = own(torch.zeros(1).set_requires_grad(true));
      UNDEFINED = own(new TensorVector(new org.bytedeco.pytorch.Tensor()));
    }
  }

  /**
   * Computes the gradients of the inputs. Runs without recording gradients, in a scope of its own.
   */
  @FunctionalInterface
  public interface Backward {
    /**
     * Returns one gradient per input, null where none is needed.
     *
     * @param gradient of the value
     * @param saved what was saved in the forward pass, in that order
     */
    List<@Nullable Tensor> gradients(Tensor gradient, List<Tensor> saved);
  }

  private CustomGradient() {}

  /**
   * Makes {@code value} depend on {@code inputs}. Returns the value as it is where no gradient is
   * recorded.
   *
   * @param value computed under {@link GradMode#noGrad()}; must not be an input itself
   * @param inputs the tensors whose gradients {@code backward} returns
   * @param saved tensors that {@code backward} needs
   */
  public static Tensor of(
      Tensor value, List<Tensor> inputs, List<Tensor> saved, Backward backward) {
    if (!GradMode.isEnabled() || inputs.stream().noneMatch(Tensor::requiresGrad)) {
      return value;
    }
    // A view that was made without gradients could not be changed in place later, as
    // LowRankUpdate does: the value must be no view.
    return attach(value.handle().is_view() ? value.detach() : value, inputs, saved, backward);
  }

  /**
   * As {@link #of}, also when no input needs a gradient: for a backward that reaches parameters by
   * itself.
   */
  static Tensor attach(Tensor value, List<Tensor> inputs, List<Tensor> saved, Backward backward) {
    if (inputs.isEmpty()) {
      throw new IllegalArgumentException(
          "A custom gradient needs at least one input to pass gradients to, got none.");
    }
    TensorScope graph = TensorScope.graphScope();
    if (graph == null) {
      throw new IllegalStateException(
          "A custom gradient was recorded outside every TensorScope, so nothing would end its life."
              + " Open one: try (var scope = TensorScope.openGraph(\"step\")) {...}.");
    }
    List<Saved> kept = new ArrayList<>(saved.size());
    for (Tensor tensor : saved) {
      kept.add(Saved.of(tensor));
    }
    try (PointerScope pointers = new PointerScope()) {
      org.bytedeco.pytorch.Tensor[] dummies = new org.bytedeco.pytorch.Tensor[inputs.size()];
      Arrays.fill(dummies, DUMMY);
      Node node = torch.cat(new TensorVector(dummies)).grad_fn();
      for (int i = 0; i < dummies.length; i++) {
        node.set_next_edge(i, edge(inputs.get(i)));
      }
      node.clear_input_metadata();
      Recorded recorded = new Recorded(inputs.size(), kept, backward);
      node.add_pre_hook(recorded.before);
      node.add_post_hook(recorded.after);
      torch.create_gradient_edge(value.handle(), node);
      graph.onClose(recorded::release);
      return value;
    } catch (RuntimeException e) {
      kept.forEach(Saved::close);
      throw NativeErrors.translate(e);
    }
  }

  private static Edge edge(Tensor input) {
    org.bytedeco.pytorch.Tensor x = input.handle();
    if (!x.requires_grad()) {
      return new Edge();
    }
    Node producer = x.grad_fn();
    if (producer == null || producer.isNull()) {
      x = x.view_as(x); // a leaf has no node of its own; its view does
      producer = x.grad_fn();
    }
    return new Edge(producer, (int) x.output_nr());
  }

  private static <P extends Pointer> P own(P pointer) {
    return pointer.retainReference();
  }

  /**
   * One node's hooks and saved tensors. The native side holds the hooks weakly: the graph scope
   * keeps this object.
   */
  private static final class Recorded {
    private final FunctionPreHook before;
    private final FunctionPostHook after;
    private final int inputs;
    private List<Saved> saved;
    private @Nullable Backward backward;
    private org.bytedeco.pytorch.@Nullable Tensor gradient;

    Recorded(int inputs, List<Saved> saved, Backward backward) {
      this.inputs = inputs;
      this.saved = saved;
      this.backward = backward;
      before =
          new FunctionPreHook() {
            @Override
            public TensorVector apply(TensorVector gradients) {
              Autograd.forgetReturned(); // sums of gradients are made: their terms can go
              try (PointerScope scope = new PointerScope()) {
                gradient = own(new org.bytedeco.pytorch.Tensor(gradients.get(0)));
              }
              return UNDEFINED;
            }
          };
      after =
          new FunctionPostHook() {
            @Override
            public TensorVector apply(TensorVector outputs, TensorVector gradients) {
              try {
                return run();
              } catch (RuntimeException | Error e) {
                Autograd.failed(e);
                throw e;
              }
            }
          };
    }

    private TensorVector run() {
      Backward function = backward;
      org.bytedeco.pytorch.Tensor incoming = gradient;
      if (function == null || incoming == null) {
        throw new IllegalStateException(
            "backward() reached a part of the graph whose scope has ended. Call backward() inside"
                + " the scope of the forward pass, and only once.");
      }
      try (TensorScope scope = TensorScope.open("custom backward");
          GradMode off = GradMode.noGrad()) {
        TensorVector result = new TensorVector();
        for (Tensor input : gradients(function, incoming)) {
          result.push_back(input == null ? new org.bytedeco.pytorch.Tensor() : input.handle());
        }
        return Autograd.returned(own(result));
      } finally {
        release();
      }
    }

    /** What reaches this node may be undefined: another backward returned null. */
    private List<@Nullable Tensor> gradients(
        Backward function, org.bytedeco.pytorch.Tensor incoming) {
      if (!incoming.defined()) {
        return Collections.nCopies(inputs, null);
      }
      Tensor upstream = new Tensor(new org.bytedeco.pytorch.Tensor(incoming));
      releaseGradient();
      List<@Nullable Tensor> result =
          function.gradients(upstream, saved.stream().map(Saved::get).toList());
      if (result.size() != inputs) {
        throw new IllegalStateException(
            "A custom backward returned "
                + result.size()
                + " gradients for "
                + inputs
                + " inputs. Return one per input, null where none is needed.");
      }
      return result;
    }

    private void releaseGradient() {
      if (gradient != null) {
        gradient.releaseReference();
        gradient = null;
      }
    }

    void release() {
      releaseGradient();
      saved.forEach(Saved::close);
      saved = List.of();
      backward = null;
    }
  }
}
