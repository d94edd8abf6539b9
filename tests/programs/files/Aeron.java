// Copyright (c) 2026, abcdesktop.io contributors
// SPDX-License-Identifier: GPL-3.0-or-later
import io.aeron.driver.MediaDriver;
import org.agrona.concurrent.UnsafeBuffer;

/** A driver, a subscription and a publication of one channel in one process; one message. */
public class Aeron {
    public static void main(final String[] channels) throws Exception {
        final var settings = new MediaDriver.Context().dirDeleteOnStart(true).dirDeleteOnShutdown(true);
        try (var driver = MediaDriver.launchEmbedded(settings);
             var client = io.aeron.Aeron.connect(
                 new io.aeron.Aeron.Context().aeronDirectoryName(driver.aeronDirectoryName()))) {
            System.out.println("its folder is " + driver.aeronDirectoryName());
            final var subscription = client.addSubscription(channels[0], 1);
            final var publication = client.addPublication(channels[0], 1);
            final var message = new UnsafeBuffer(new byte[64]);
            long result = publication.offer(message);
            for (int tries = 0; result < 0 && tries < 100; tries++) {
                Thread.sleep(100);
                result = publication.offer(message);
            }
            System.out.println(result > 0
                ? "ok " + channels[0] + ", term " + publication.termBufferLength()
                : "never connected: offer() returns " + result);
        }
    }
}
