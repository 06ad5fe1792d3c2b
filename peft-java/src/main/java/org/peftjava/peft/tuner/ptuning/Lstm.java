package org.peftjava.peft.tuner.ptuning;

import java.util.ArrayList;
import java.util.List;
import org.peftjava.torch.Creation;
import org.peftjava.torch.DType;
import org.peftjava.torch.Dropouts;
import org.peftjava.torch.MatrixOps;
import org.peftjava.torch.Ops;
import org.peftjava.torch.Shape;
import org.peftjava.torch.Tensor;
import org.peftjava.torch.TensorScope;
import org.peftjava.torch.nn.Init;
import org.peftjava.torch.nn.Module;
import org.peftjava.torch.nn.Parameter;

/**
 * An LSTM that reads one sequence in both directions, as {@code torch.nn.LSTM(bidirectional=True)}:
 * each layer's output is the forward states beside the backward ones.
 *
 * <p>Letters: {@code n} steps, {@code d} size of the input, {@code h} size of a state.
 */
final class Lstm extends Module {
  private static final int GATES = 4;

  private final List<Direction> directions = new ArrayList<>();
  private final int layers;
  private final double dropout;

  /** An LSTM without memory for its weights. */
  Lstm(long inputSize, long hiddenSize, int layers, double dropout) {
    this.layers = layers;
    this.dropout = dropout;
    for (int layer = 0; layer < layers; layer++) {
      long width = layer == 0 ? inputSize : 2 * hiddenSize;
      directions.add(new Direction("_l" + layer, width, hiddenSize, false));
      directions.add(new Direction("_l" + layer + "_reverse", width, hiddenSize, true));
    }
  }

  /** The outputs (n, 2 h) for the inputs (n, d), owned by the current scope. */
  Tensor forward(Tensor x) {
    try (TensorScope scope = TensorScope.open("lstm")) {
      Tensor result = x;
      for (int layer = 0; layer < layers; layer++) {
        if (layer > 0 && isTraining()) {
          result = Dropouts.dropout(result, dropout);
        }
        Tensor ahead = directions.get(2 * layer).forward(result);
        Tensor back = directions.get(2 * layer + 1).forward(result);
        result = Creation.cat(List.of(ahead, back), 1);
      }
      return scope.keep(result);
    }
  }

  /** One layer read in one direction. */
  private final class Direction {
    private final Parameter inputWeight;
    private final Parameter stateWeight;
    private final Parameter inputBias;
    private final Parameter stateBias;
    private final long hiddenSize;
    private final boolean reverse;

    Direction(String suffix, long inputSize, long hiddenSize, boolean reverse) {
      this.hiddenSize = hiddenSize;
      this.reverse = reverse;
      Init init = Init.uniform(1 / Math.sqrt((double) hiddenSize));
      long width = GATES * hiddenSize;
      inputWeight = add("weight_ih" + suffix, Shape.of(width, inputSize), init);
      stateWeight = add("weight_hh" + suffix, Shape.of(width, hiddenSize), init);
      inputBias = add("bias_ih" + suffix, Shape.of(width), init);
      stateBias = add("bias_hh" + suffix, Shape.of(width), init);
    }

    private Parameter add(String name, Shape shape, Init init) {
      return register(name, new Parameter(shape, DType.FLOAT32, init));
    }

    /** The states (n, h) after each step, in the order of the inputs. */
    Tensor forward(Tensor x) {
      int steps = (int) x.size(0);
      Tensor[] states = new Tensor[steps];
      Tensor fromInputs = MatrixOps.linear(x, inputWeight.tensor(), inputBias.tensor());
      Tensor state = Creation.zeros(x.dtype(), x.device(), 1, hiddenSize);
      Tensor cell = state;
      for (int step = 0; step < steps; step++) {
        int at = reverse ? steps - 1 - step : step;
        Tensor fromState = MatrixOps.linear(state, stateWeight.tensor(), stateBias.tensor());
        List<Tensor> gates = fromInputs.narrow(0, at, 1).add(fromState).chunk(GATES, -1);
        Tensor kept = sigmoid(gates.get(1)).mul(cell);
        cell = kept.add(sigmoid(gates.get(0)).mul(Ops.tanh(gates.get(2))));
        state = sigmoid(gates.get(3)).mul(Ops.tanh(cell));
        states[at] = state;
      }
      return Creation.cat(List.of(states), 0);
    }
  }

  private static Tensor sigmoid(Tensor x) {
    return Ops.tanh(x.mul(0.5)).add(1).mul(0.5);
  }
}
