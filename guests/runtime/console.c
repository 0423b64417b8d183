/* SPDX-License-Identifier: Apache-2.0
   Polled 16550 at 0x3f8, formatted printing, the debug exit port 0xf4, and the few memory functions that
   the compiler may call. */
#include <stdarg.h>

#include "rt.h"

enum { kPort = 0x3f8, kExit = 0xf4 };

extern u32 rt_multiboot_info;

void* memset(void* to, int value, size_t n) {
  u8* p = to;
  for (size_t i = 0; i < n; ++i) p[i] = (u8)value;
  return to;
}

void* memcpy(void* to, const void* from, size_t n) {
  u8* p = to;
  const u8* q = from;
  for (size_t i = 0; i < n; ++i) p[i] = q[i];
  return to;
}

void rt_serial_init(void) {
  rt_out8(kPort + 1, 0);    /* no interrupts */
  rt_out8(kPort + 3, 0x80); /* divisor latch */
  rt_out8(kPort + 0, 1);
  rt_out8(kPort + 1, 0);
  rt_out8(kPort + 3, 3); /* 8n1 */
  rt_out8(kPort + 2, 7); /* FIFOs on and empty */
  rt_out8(kPort + 4, 3);
}

/* THRE says that the whole 16-byte FIFO is empty, so it is asked once for 16 characters: under a hypervisor
   every access of the port is a VM-exit. */
void rt_putc(char c) {
  static u32 room;
  if (!room) {
    while (!(rt_in8(kPort + 5) & 0x20)) rt_pause();
    room = 16;
  }
  --room;
  rt_out8(kPort, (u8)c);
}

void rt_puts(const char* text) {
  while (*text) rt_putc(*text++);
}

static u32 put_number(char* end, u64 value, u32 base) {
  u32 n = 0;
  do {
    *--end = "0123456789abcdef"[value % base];
    value /= base;
    ++n;
  } while (value);
  return n;
}

static void put_field(const char* text, u32 n, u32 width, char fill, int left) {
  u32 padding = width > n ? width - n : 0;
  if (!left) {
    for (u32 i = 0; i < padding; ++i) rt_putc(fill);
  }
  for (u32 i = 0; i < n; ++i) rt_putc(text[i]);
  if (left) {
    for (u32 i = 0; i < padding; ++i) rt_putc(' ');
  }
}

void rt_printf(const char* format, ...) {
  va_list args;
  va_start(args, format);
  for (; *format; ++format) {
    if (*format != '%') {
      rt_putc(*format);
      continue;
    }
    int left = 0, is_long = 0;
    char fill = ' ';
    u32 width = 0;
    for (++format; *format == '-' || *format == '0'; ++format) {
      if (*format == '-') left = 1;
      if (*format == '0') fill = '0';
    }
    for (; *format >= '0' && *format <= '9'; ++format) width = width * 10 + (u32)(*format - '0');
    for (; *format == 'l'; ++format) is_long = 1;
    char buffer[24];
    char* end = buffer + sizeof buffer;
    u32 n = 0;
    switch (*format) {
      case 'c':
        *--end = (char)va_arg(args, int), n = 1;
        break;
      case 's': {
        const char* s = va_arg(args, const char*);
        while (s[n]) ++n;
        put_field(s, n, width, ' ', left);
        continue;
      }
      case 'd': {
        const long v = is_long ? va_arg(args, long) : va_arg(args, int);
        n = put_number(end, v < 0 ? -(u64)v : (u64)v, 10);
        if (v < 0) end[-(int)++n] = '-';
        break;
      }
      case 'u':
        n = put_number(end, is_long ? va_arg(args, u64) : va_arg(args, u32), 10);
        break;
      case 'x':
        n = put_number(end, is_long ? va_arg(args, u64) : va_arg(args, u32), 16);
        break;
      default:
        rt_putc('%');
        continue;
    }
    if (*format == 'c')
      put_field(end, 1, width, fill, left);
    else
      put_field(end - n, n, width, fill, left);
  }
  va_end(args);
}

void rt_exit(u32 value) {
  rt_out32(kExit, value);
  for (;;) __asm__ volatile("cli; hlt");
}

const char* rt_command_line(void) {
  const u32* info = (const u32*)(u64)rt_multiboot_info;
  return info && (info[0] & 4) ? (const char*)(u64)info[4] : "";
}
