package org.peftjava.peft.tuner.deft;

import org.peftjava.torch.DType;
import org.peftjava.torch.LinearAlgebra;
import org.peftjava.torch.Ops;
import org.peftjava.torch.Tensor;

/** How a projection {@code Q N^T} is made of P. Reference: PEFT {@code DeftLinear._project}. */
enum Directions {
  /** Q is P, and N its positive part. */
  RELU {
    @Override
    Projection of(Tensor p) {
      Tensor wide = p.to(DType.FLOAT32);
      return new Projection(wide, Ops.relu(wide));
    }
  },
  /** Q and N are an orthonormal basis of P's columns. */
  QR {
    @Override
    Projection of(Tensor p) {
      Tensor q = LinearAlgebra.qr(p.to(DType.FLOAT32)).q();
      return new Projection(q, q);
    }
  };

  /**
   * Both factors, float32.
   *
   * @param left Q (o, r)
   * @param right N (o, r)
   */
  record Projection(Tensor left, Tensor right) {}

  /** The projection of P (o, r), in its graph. */
  abstract Projection of(Tensor p);

  /** That of a config's decomposition_method. */
  static Directions of(String method) {
    return method.equals("qr") ? QR : RELU;
  }
}
