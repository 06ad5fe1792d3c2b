package org.peftjava.peft.io;

/** Whether an adapter's file also holds the base model's embeddings. */
public enum SaveEmbeddings {
  /** If the adapter targets them, or the model was given another number of tokens. */
  AUTO,
  /** Always. */
  YES,
  /** Never. */
  NO
}
