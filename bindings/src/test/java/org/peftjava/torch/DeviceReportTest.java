package org.peftjava.torch;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import org.junit.jupiter.api.Test;
import org.peftjava.torch.kernels.NativeKernels;
import org.peftjava.torch.runtime.NativeRuntime;

class DeviceReportTest {
  @Test
  void saysWhatTheProcessComputesWith() {
    DeviceReport report = DeviceReport.now();
    assertTrue(
        report
            .libtorch()
            .matches(
                "libtorch 2\\.10\\.0, \\w+-\\w+, cpu [A-Z0-9]+( with bf16 products)?, \\d+ threads,"
                    + " cuda (none|\\d+ device\\(s\\))"),
        report.libtorch());
    assertEquals(NativeKernels.describe(), report.kernels());
    assertTrue(
        report.memory().matches("Live tensors: [\\d,]+; process memory \\d+\\.\\d\\d GiB\\..*"),
        report.memory());
    assertEquals(
        report.libtorch() + "\nkernels: " + report.kernels() + "\n" + report.memory(),
        report.toString().replace("\r\n", "\n"));
  }

  @Test
  void threadsCanBeSet() {
    int before = NativeRuntime.threads();
    try {
      NativeRuntime.setThreads(3);
      assertEquals(3, NativeRuntime.threads());
      assertTrue(NativeRuntime.report().contains(" 3 threads"));
    } finally {
      NativeRuntime.setThreads(before);
    }
    assertEquals(
        "threads must be positive, got 0.",
        assertThrows(IllegalArgumentException.class, () -> NativeRuntime.setThreads(0))
            .getMessage());
  }

  @Test
  void memoryIsMeasured() {
    assertTrue(NativeRuntime.residentBytes() > 10_000_000 || NativeRuntime.residentBytes() == -1);
    assertTrue(NativeRuntime.peakResidentBytes() >= NativeRuntime.residentBytes());
  }
}
