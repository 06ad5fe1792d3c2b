package org.peftjava.transformers;

/** The heads of DistilBERT against the outputs of transformers. */
class DistilBertHeadsTest extends HeadContractTest {
  DistilBertHeadsTest() {
    super("heads_distilbert");
  }
}
