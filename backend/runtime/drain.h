#pragma once

// For the allocator: waiting for memory that queued work holds. Apart from
// stream.h, whose users wait for one stream and get its errors.

namespace xpu_lite {

// Waits for the streams of the device that have work, and leaves their errors to
// who synchronises them. True if any had work.
bool wait_for_device(int device);

} // namespace xpu_lite
