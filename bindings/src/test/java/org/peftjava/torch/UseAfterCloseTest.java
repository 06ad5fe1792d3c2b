package org.peftjava.torch;

import static org.junit.jupiter.api.Assertions.assertInstanceOf;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.lang.reflect.InvocationTargetException;
import java.lang.reflect.Method;
import java.lang.reflect.Modifier;
import java.util.Arrays;
import java.util.List;
import java.util.Set;
import java.util.stream.Stream;
import org.jspecify.annotations.Nullable;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.extension.ExtendWith;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.MethodSource;

/** Whatever is called with a closed tensor: our exception, never a crash of the process. */
@ExtendWith(LedgerCheck.class)
class UseAfterCloseTest {
  /** What a closed tensor still answers. */
  private static final Set<String> ALLOWED =
      Set.of("close", "isClosed", "escape", "toString", "owner", "ownedBy", "closedByScope");

  static Stream<Method> methods() {
    return Arrays.stream(Tensor.class.getDeclaredMethods())
        .filter(method -> Modifier.isPublic(method.getModifiers()))
        .filter(method -> !ALLOWED.contains(method.getName()));
  }

  static Stream<Method> methodsOfTensors() {
    return methods().filter(UseAfterCloseTest::takesTensors);
  }

  static Stream<Method> functions() {
    return Stream.of(
            Ops.class,
            MatrixOps.class,
            CrossEntropy.class,
            LowRankUpdate.class,
            Dropouts.class,
            Creation.class)
        .flatMap(type -> Arrays.stream(type.getDeclaredMethods()))
        .filter(method -> Modifier.isPublic(method.getModifiers()))
        .filter(UseAfterCloseTest::takesTensors);
  }

  @Test
  void everyMethodIsTried() {
    assertTrue(methods().count() > 70, () -> methods().toList().toString());
    assertTrue(methodsOfTensors().count() > 18, () -> methodsOfTensors().toList().toString());
    assertTrue(functions().count() > 20, () -> functions().toList().toString());
  }

  @ParameterizedTest
  @MethodSource("methods")
  void closedReceiver(Method method) {
    try (TensorScope scope = TensorScope.open("test")) {
      assertRefused(method, closed(), Creation.ones(DType.FLOAT32, 1));
    }
  }

  @ParameterizedTest
  @MethodSource("methodsOfTensors")
  void closedArgument(Method method) {
    try (TensorScope scope = TensorScope.open("test")) {
      assertRefused(method, Creation.ones(DType.FLOAT32, 1).requiresGrad(true).mul(2), closed());
    }
  }

  @ParameterizedTest
  @MethodSource("functions")
  void closedArgumentOfFunction(Method method) {
    try (TensorScope scope = TensorScope.open("test")) {
      assertRefused(method, null, closed());
    }
  }

  @Test
  void closedWithItsScope() {
    Tensor a;
    try (TensorScope scope = TensorScope.open("inner")) {
      a = Creation.ones(DType.FLOAT32, 1);
    }
    try (TensorScope scope = TensorScope.open("test")) {
      assertThrows(TorchException.ClosedTensor.class, a::requiresGrad);
      assertThrows(TorchException.ClosedTensor.class, () -> Ops.relu(a));
      assertThrows(TorchException.ClosedTensor.class, a::address);
    }
  }

  private static Tensor closed() {
    Tensor tensor = Creation.ones(DType.FLOAT32, 1);
    tensor.close();
    return tensor;
  }

  private static boolean takesTensors(Method method) {
    return Arrays.stream(method.getParameterTypes())
        .anyMatch(type -> type == Tensor.class || type == List.class);
  }

  private static void assertRefused(Method method, @Nullable Tensor receiver, Tensor argument) {
    Object[] arguments =
        Arrays.stream(method.getParameterTypes()).map(type -> argumentOf(type, argument)).toArray();
    InvocationTargetException e =
        assertThrows(
            InvocationTargetException.class,
            () -> method.invoke(receiver, arguments),
            method::toString);
    assertInstanceOf(TorchException.ClosedTensor.class, e.getCause(), method::toString);
  }

  private static @Nullable Object argumentOf(Class<?> type, Tensor tensor) {
    if (type == Tensor.class) {
      return tensor;
    } else if (type == List.class) {
      return List.of(tensor);
    } else if (type == int.class) {
      return 0;
    } else if (type == long.class) {
      return 0L;
    } else if (type == double.class) {
      return 0.5;
    } else if (type == boolean.class) {
      return true;
    } else if (type == long[].class) {
      return new long[] {0};
    } else if (type == DType.class) {
      return DType.FLOAT64;
    } else if (type == Device.class) {
      return Device.CPU;
    } else if (type == String.class) {
      return "none";
    }
    return null;
  }
}
