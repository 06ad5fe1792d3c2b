package org.peftjava.peft;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertNotEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.util.ArrayList;
import java.util.Collections;
import java.util.List;
import java.util.Map;
import java.util.concurrent.Callable;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.extension.ExtendWith;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.MethodSource;
import org.peftjava.peft.tuner.AdapterRows;
import org.peftjava.torch.TensorLedger;
import org.peftjava.torch.TensorScope;
import org.peftjava.torch.nn.Parameter;
import org.peftjava.torch.optim.AdamW;
import org.peftjava.transformers.AutoModelForCausalLM;
import org.peftjava.transformers.CausalLM;
import org.peftjava.transformers.generation.GenerationConfig;
import org.peftjava.transformers.generation.TokenListener;
import org.peftjava.transformers.tokenizer.TokenBatch;

/** Several threads with one model: the numbers of one thread, or an error, never another result. */
@Timeout(300)
@ExtendWith(LedgerCheck.class)
class ConcurrentUseTest {
  private static final int THREADS = 3;
  private static final String CASES = "org.peftjava.peft.TunerCase#names";
  private static final List<String> NAMES = List.of("default", "b", AdapterRows.BASE);
  private final ExecutorService threads = Executors.newFixedThreadPool(THREADS);

  private static void six(GenerationConfig.Builder settings) {
    settings.maxNewTokens(6).doSample(false).eosTokenId().padTokenId(1);
  }

  @AfterEach
  void stop() {
    threads.shutdownNow();
  }

  /** The results of the same work on all threads at once. */
  private <T> List<T> together(Callable<T> work) throws InterruptedException, ExecutionException {
    CountDownLatch start = new CountDownLatch(THREADS);
    List<Future<T>> futures = new ArrayList<>();
    for (int i = 0; i < THREADS; i++) {
      futures.add(
          threads.submit(
              () -> {
                start.countDown();
                start.await();
                return work.call();
              }));
    }
    List<T> results = new ArrayList<>();
    for (Future<T> future : futures) {
      results.add(future.get());
    }
    return results;
  }

  @ParameterizedTest
  @MethodSource(CASES)
  void passesOfSeveralThreadsAreThoseOfOne(String name) throws Exception {
    try (TunerCase tuner = new TunerCase(name);
        PeftModelForCausalLM model = tuner.load()) {
      float[] alone = tuner.logits(model).toFloats();
      Callable<List<float[]>> passes =
          () -> {
            List<float[]> results = new ArrayList<>();
            for (int i = 0; i < 3; i++) {
              try (TensorScope scope = TensorScope.openGraph("thread")) {
                results.add(tuner.logits(model).toFloats());
              }
            }
            return results;
          };
      for (List<float[]> results : together(passes)) {
        for (float[] logits : results) {
          assertArrayEquals(alone, logits);
        }
      }
    }
  }

  /** A language model with the adapters "default" and "b". */
  private static final class Server implements AutoCloseable {
    private final CausalLM base =
        AutoModelForCausalLM.fromPretrained(Goldens.path("llama_lora/base"));
    private final PeftModelForCausalLM model =
        PeftModel.fromPretrained(base, Goldens.path("mixed_batches/llama"), options -> {});

    Server() {
      model.loadAdapter(Goldens.path("mixed_batches/llama/b"), options -> options.adapterName("b"));
      model.eval();
    }

    private static TokenBatch prompt(int number) {
      return TokenBatch.of(
          new long[][] {{5, 6 + number, 7}, {9, 3, 4 + number}, {8 + number, 8, 11}},
          new long[][] {{1, 1, 1}, {0, 1, 1}, {1, 1, 1}});
    }

    /** What a request with adapters of its own gets; each number has other prompts and adapters. */
    List<long[]> answer(int number) {
      List<String> names = new ArrayList<>(NAMES);
      Collections.rotate(names, number);
      PassOptions options = PassOptions.builder().adapterNames(names).build();
      return List.of(model.generate(prompt(number), ConcurrentUseTest::six, options).ids());
    }

    List<long[]> plain(TokenListener listener) {
      return List.of(model.generate(prompt(0), ConcurrentUseTest::six, listener).ids());
    }

    @Override
    public void close() {
      model.close();
      base.close();
    }
  }

  private static void assertSame(List<long[]> expected, List<long[]> actual) {
    assertEquals(expected.size(), actual.size());
    for (int i = 0; i < expected.size(); i++) {
      assertArrayEquals(expected.get(i), actual.get(i));
    }
  }

  @Test
  void requestsWithAdaptersOfTheirOwn() throws Exception {
    try (Server server = new Server()) {
      List<List<long[]>> alone = new ArrayList<>();
      for (int number = 0; number < 6; number++) {
        alone.add(server.answer(number));
      }
      assertFalse(java.util.Arrays.deepEquals(alone.get(0).toArray(), alone.get(1).toArray()));
      for (List<List<long[]>> answers :
          together(
              () -> {
                List<List<long[]>> all = new ArrayList<>();
                for (int number = 0; number < 6; number++) {
                  all.add(server.answer(number));
                }
                return all;
              })) {
        for (int number = 0; number < 6; number++) {
          assertSame(alone.get(number), answers.get(number));
        }
      }
    }
  }

  @Test
  void adaptersComeAndGoButWhatActsStaysWhileOthersGenerate() throws Exception {
    try (Server server = new Server()) {
      List<long[]> alone = server.plain(TokenListener.NONE);
      CountDownLatch begun = new CountDownLatch(1);
      CountDownLatch tried = new CountDownLatch(1);
      Future<List<long[]>> generation =
          threads.submit(
              () ->
                  server.plain(
                      tokens -> {
                        begun.countDown();
                        await(tried);
                        return true;
                      }));
      begun.await();
      for (Runnable change :
          List.<Runnable>of(
              () -> server.model.setAdapter("b"),
              () -> server.model.disableAdapter().close(),
              server.model::mergeAdapter,
              () -> server.model.setScale("default", 3),
              () -> server.model.deleteAdapter("default"))) {
        String message = assertThrows(IllegalStateException.class, change::run).getMessage();
        assertTrue(message.contains("while a generation runs on thread "), message);
      }
      assertEquals(List.of("default"), server.model.activeAdapters());
      server.model.loadAdapter(
          Goldens.path("mixed_batches/llama/b"), options -> options.adapterName("c"));
      server.model.deleteAdapter("b");
      tried.countDown();
      assertSame(alone, generation.get());
      server.model.setAdapter("c");
      assertEquals(List.of("default", "c"), List.copyOf(server.model.peftConfig().keySet()));
    }
  }

  private static void await(CountDownLatch latch) {
    try {
      latch.await();
    } catch (InterruptedException e) {
      throw new IllegalStateException(e);
    }
  }

  @Test
  void closingWhileOthersGenerateEndsThemWithAnError() throws Exception {
    for (boolean wrapperFirst : new boolean[] {true, false}) {
      Server server = new Server();
      CountDownLatch begun = new CountDownLatch(THREADS);
      List<Future<String>> requests = new ArrayList<>();
      for (int i = 0; i < THREADS; i++) {
        requests.add(
            threads.submit(
                () -> {
                  try {
                    while (true) {
                      server.plain(
                          tokens -> {
                            begun.countDown();
                            return true;
                          });
                    }
                  } catch (RuntimeException e) {
                    return String.valueOf(e.getMessage());
                  }
                }));
      }
      begun.await();
      if (wrapperFirst) {
        server.close();
      } else {
        server.base.close();
      }
      for (Future<String> request : requests) {
        String message = request.get();
        assertTrue(
            message.contains("adapters any more")
                || message.contains("taken off this model")
                || message.contains("model was closed"),
            message);
      }
      server.close();
    }
  }

  @Test
  void aModelIsTrainedWhileAnotherServes() throws Exception {
    try (Server server = new Server()) {
      List<List<long[]>> alone = List.of(server.answer(1), server.answer(2));
      float[] trainedAlone = trained();
      Future<float[]> training = threads.submit(ConcurrentUseTest::trained);
      int rounds = 0;
      while (!training.isDone() || rounds == 0) {
        assertSame(alone.get(rounds % 2), server.answer(1 + rounds % 2));
        rounds++;
      }
      assertArrayEquals(trainedAlone, training.get());
    }
  }

  /** The weights of an adapter after some steps. */
  private static float[] trained() {
    try (TunerCase tuner = new TunerCase("tuner_pissa");
        PeftModelForCausalLM model = tuner.load()) {
      model.train(true);
      Map<String, Parameter> parameters = new java.util.TreeMap<>(model.namedParameters());
      parameters.values().removeIf(parameter -> !parameter.requiresGrad());
      try (AdamW optimizer = new AdamW(parameters, AdamW.Options.defaults())) {
        for (int step = 0; step < 5; step++) {
          try (TensorScope scope = TensorScope.openGraph("step")) {
            tuner.loss(model).backward();
            optimizer.step();
            optimizer.zeroGrad();
          }
        }
      }
      return parameters.values().iterator().next().tensor().toFloats();
    }
  }

  @Test
  void threadsThatComeAndGoLeaveNothing() throws Exception {
    try (Server server = new Server()) {
      List<long[]> alone = server.answer(0);
      long before = TensorLedger.liveTensors();
      List<List<long[]>> answers = Collections.synchronizedList(new ArrayList<>());
      for (int i = 0; i < 20; i++) {
        Thread thread = new Thread(() -> answers.add(server.answer(0)));
        thread.start();
        thread.join();
      }
      assertEquals(20, answers.size());
      answers.forEach(answer -> assertSame(alone, answer));
      assertEquals(before, TensorLedger.liveTensors());
    }
  }

  @Test
  void anInterruptStopsNoGenerationAndIsKept() {
    try (Server server = new Server()) {
      List<long[]> alone = server.answer(0);
      Thread.currentThread().interrupt();
      List<long[]> interrupted = server.answer(0);
      assertTrue(Thread.interrupted());
      assertSame(alone, interrupted);
      assertNotEquals(0, alone.size());
    }
  }
}
