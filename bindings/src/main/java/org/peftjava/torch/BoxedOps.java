package org.peftjava.torch;

import org.bytedeco.pytorch.Dispatcher;
import org.bytedeco.pytorch.IValue;
import org.bytedeco.pytorch.IValueVector;
import org.bytedeco.pytorch.OperatorHandle;

/** Operators that the bindings have no method for, by their names in libtorch's registry. */
final class BoxedOps {
  private BoxedOps() {}

  /** Calls an operator of tensors with one tensor as its result. */
  static org.bytedeco.pytorch.Tensor call(String name, org.bytedeco.pytorch.Tensor... arguments) {
    Dispatcher dispatcher = Dispatcher.singleton();
    OperatorHandle operator = dispatcher.findSchemaOrThrow(name, "");
    IValueVector stack = new IValueVector();
    for (org.bytedeco.pytorch.Tensor argument : arguments) {
      stack.push_back(new IValue(argument));
    }
    dispatcher.callBoxed(operator, stack);
    return new org.bytedeco.pytorch.Tensor(stack.get(0).toTensor());
  }
}
