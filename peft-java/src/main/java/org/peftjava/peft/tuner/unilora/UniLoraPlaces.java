package org.peftjava.peft.tuner.unilora;

import org.peftjava.torch.Tensor;
import org.peftjava.torch.nn.Parameter;

/**
 * Which number of a vector stands at each place of a matrix.
 *
 * @param indices int64, in the matrix' shape
 * @param scales what the numbers are multiplied with, in the same shape
 */
record UniLoraPlaces(Parameter indices, Parameter scales) {
  /** The matrix, made of a vector's numbers. */
  Tensor filled(Tensor vector) {
    Tensor flat = vector.indexSelect(0, indices.tensor().reshape(-1));
    return flat.reshape(indices.shape().toArray()).mul(scales.tensor().to(vector.dtype()));
  }
}
