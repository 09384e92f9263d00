// More than 200 macros by the names of other systems' public headers: Arduino's, X11's, Windows', Apple's, C's. What
// they expand to matters little: none may reach into a header of ours. Behind the std headers, whose authors see to
// themselves.
#pragma once
#include <algorithm>
#include <atomic>
#include <bit>
#include <cmath>
#include <complex>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <functional>
#include <iosfwd>
#include <iostream>
#include <limits>
#include <memory>
#include <random>
#include <span>
#include <string>
#include <vector>

inline unsigned makeWord(unsigned w) { return w; }
inline unsigned makeWord(unsigned high, unsigned low) { return high << 8 | low; }

// Arduino: Arduino.h
#define word(...) makeWord(__VA_ARGS__)
#undef min
#define min(a, b) ((a) < (b) ? (a) : (b))
#undef max
#define max(a, b) ((a) > (b) ? (a) : (b))
#undef abs
#define abs(x) ((x) > 0 ? (x) : -(x))
#undef round
#define round(x) ((x) >= 0 ? (long)((x) + 0.5) : (long)((x)-0.5))
#define F(string_literal) (reinterpret_cast<const char*>(string_literal))
#define bit(b) (1UL << (b))
#define HIGH 0
#define LOW 0
#define INPUT 0
#define OUTPUT 0
#define INPUT_PULLUP 0
#define PI 0
#define HALF_PI 0
#define TWO_PI 0
#define DEG_TO_RAD 0
#define RAD_TO_DEG 0
#define EULER 0
#define SERIAL 0
#define DISPLAY 0
#define LSBFIRST 0
#define MSBFIRST 0
#define CHANGE 0
#define FALLING 0
#define RISING 0
#define INTERNAL1V1 0
#define INTERNAL 0
#define INTERNAL2V56 0
#define INTERNAL2V56_EXTCAP 0
#define constrain(amt, low, high) (0)
#define radians(deg) (0)
#define degrees(rad) (0)
#define sq(x) (0)
#define interrupts() (0)
#define noInterrupts() (0)
#define clockCyclesPerMicrosecond() (0)
#define clockCyclesToMicroseconds(a) (0)
#define microsecondsToClockCycles(a) (0)
#define lowByte(w) (0)
#define highByte(w) (0)
#define bitRead(value, bit) (0)
#define bitSet(value, bit) (0)
#define bitClear(value, bit) (0)
#define bitToggle(value, bit) (0)
#define bitWrite(value, bit, bitvalue) (0)
#define analogInPinToBit(P) (0)
#define digitalPinToPort(P) (0)
#define digitalPinToBitMask(P) (0)
#define digitalPinToTimer(P) (0)
#define portOutputRegister(P) (0)
#define portInputRegister(P) (0)
#define portModeRegister(P) (0)
#define NOT_A_PIN 0
#define NOT_A_PORT 0
#define NOT_AN_INTERRUPT 0
#define PA 0
#define PB 0
#define PC 0
#define PD 0
#define PE 0
#define PF 0
#define PG 0
#define PH 0
#define PJ 0
#define PK 0
#define PL 0
#define NOT_ON_TIMER 0
#define TIMER0A 0
#define TIMER0B 0
#define TIMER1A 0
#define TIMER1B 0
#define TIMER1C 0
#define TIMER2 0
#define TIMER2A 0
#define TIMER2B 0
#define TIMER3A 0
#define TIMER3B 0
#define TIMER3C 0
#define TIMER4A 0
#define TIMER4B 0
#define TIMER4C 0
#define TIMER4D 0
#define TIMER5A 0
#define TIMER5B 0
#define TIMER5C 0
#define DEFAULT 1
#define EXTERNAL 0

// Arduino: binary.h
#define B0 0
#define B1 1
#define B00 0
#define B01 1
#define B10 2
#define B11 3
#define B000 0
#define B001 1
#define B010 2
#define B011 3
#define B100 4
#define B101 5
#define B110 6
#define B111 7
#define B0000 0
#define B0001 1
#define B0010 2
#define B0011 3
#define B0100 4
#define B0101 5
#define B0110 6
#define B0111 7
#define B1000 8
#define B1001 9
#define B1010 10
#define B1011 11
#define B1100 12
#define B1101 13
#define B1110 14
#define B1111 15

// X11: Xlib.h and X.h
#define Bool int
#define Status int
#define True 1
#define False 0
#define None 0L
#define Success 0
#define X_PROTOCOL 0L
#define X_PROTOCOL_REVISION 0L
#define ParentRelative 0L
#define CopyFromParent 0L
#define PointerWindow 0L
#define InputFocus 0L
#define PointerRoot 0L
#define AnyPropertyType 0L
#define AnyKey 0L
#define AnyButton 0L
#define AllTemporary 0L
#define CurrentTime 0L
#define NoSymbol 0L
#define NoEventMask 0L
#define KeyPressMask 0L
#define KeyReleaseMask 0L
#define ButtonPressMask 0L
#define ButtonReleaseMask 0L
#define EnterWindowMask 0L
#define LeaveWindowMask 0L
#define PointerMotionMask 0L
#define PointerMotionHintMask 0L
#define Button1MotionMask 0L
#define Button2MotionMask 0L
#define Button3MotionMask 0L
#define Button4MotionMask 0L
#define Button5MotionMask 0L
#define ButtonMotionMask 0L
#define KeymapStateMask 0L
#define ExposureMask 0L
#define VisibilityChangeMask 0L
#define StructureNotifyMask 0L
#define ResizeRedirectMask 0L
#define SubstructureNotifyMask 0L
#define SubstructureRedirectMask 0L
#define FocusChangeMask 0L
#define PropertyChangeMask 0L
#define ColormapChangeMask 0L
#define OwnerGrabButtonMask 0L
#define KeyPress 0L
#define KeyRelease 0L
#define ButtonPress 0L
#define ButtonRelease 0L
#define MotionNotify 0L
#define EnterNotify 0L
#define LeaveNotify 0L
#define FocusIn 0L
#define FocusOut 0L
#define KeymapNotify 0L
#define Expose 0L
#define GraphicsExpose 0L
#define NoExpose 0L
#define VisibilityNotify 0L
#define CreateNotify 0L
#define DestroyNotify 0L
#define UnmapNotify 0L
#define MapNotify 0L
#define MapRequest 0L
#define ReparentNotify 0L
#define ConfigureNotify 0L
#define ConfigureRequest 0L
#define GravityNotify 0L
#define ResizeRequest 0L
#define CirculateNotify 0L
#define CirculateRequest 0L
#define PropertyNotify 0L
#define SelectionClear 0L
#define SelectionRequest 0L
#define SelectionNotify 0L
#define ColormapNotify 0L
#define ClientMessage 0L
#define MappingNotify 0L
#define GenericEvent 0L
#define LASTEvent 0L
#define ShiftMask 0L
#define LockMask 0L
#define ControlMask 0L
#define Mod1Mask 0L
#define Mod2Mask 0L
#define Mod3Mask 0L
#define Mod4Mask 0L
#define Mod5Mask 0L
#define ShiftMapIndex 0L
#define LockMapIndex 0L
#define ControlMapIndex 0L
#define Mod1MapIndex 0L
#define Mod2MapIndex 0L
#define Mod3MapIndex 0L
#define Mod4MapIndex 0L
#define Mod5MapIndex 0L
#define Button1Mask 0L
#define Button2Mask 0L
#define Button3Mask 0L
#define Button4Mask 0L
#define Button5Mask 0L
#define AnyModifier 0L
#define Button1 0L
#define Button2 0L
#define Button3 0L
#define Button4 0L
#define Button5 0L
#define NotifyNormal 0L
#define NotifyGrab 0L
#define NotifyUngrab 0L
#define NotifyWhileGrabbed 0L
#define NotifyHint 0L
#define NotifyAncestor 0L
#define NotifyVirtual 0L
#define NotifyInferior 0L
#define NotifyNonlinear 0L
#define NotifyNonlinearVirtual 0L
#define NotifyPointer 0L
#define NotifyPointerRoot 0L
#define NotifyDetailNone 0L
#define VisibilityUnobscured 0L
#define VisibilityPartiallyObscured 0L
#define VisibilityFullyObscured 0L
#define PlaceOnTop 0L
#define PlaceOnBottom 0L
#define ConnectionNumber(dpy) (0)
#define RootWindow(dpy, scr) (0)
#define DefaultScreen(dpy) (0)
#define DefaultRootWindow(dpy) (0)
#define DefaultVisual(dpy, scr) (0)
#define DefaultGC(dpy, scr) (0)
#define BlackPixel(dpy, scr) (0)
#define WhitePixel(dpy, scr) (0)
#define QLength(dpy) (0)
#define DisplayWidth(dpy, scr) (0)
#define DisplayHeight(dpy, scr) (0)
#define DisplayWidthMM(dpy, scr) (0)
#define DisplayHeightMM(dpy, scr) (0)
#define DisplayPlanes(dpy, scr) (0)
#define DisplayCells(dpy, scr) (0)
#define ScreenCount(dpy) (0)
#define ServerVendor(dpy) (0)
#define ProtocolVersion(dpy) (0)
#define ProtocolRevision(dpy) (0)
#define VendorRelease(dpy) (0)
#define DisplayString(dpy) (0)
#define DefaultDepth(dpy, scr) (0)
#define DefaultColormap(dpy, scr) (0)
#define BitmapUnit(dpy) (0)
#define BitmapBitOrder(dpy) (0)
#define BitmapPad(dpy) (0)
#define ImageByteOrder(dpy) (0)
#define NextRequest(dpy) (0)
#define LastKnownRequestProcessed(dpy) (0)
#define ScreenOfDisplay(dpy, scr) (0)
#define DefaultScreenOfDisplay(dpy) (0)
#define DisplayOfScreen(s) (0)
#define RootWindowOfScreen(s) (0)
#define BlackPixelOfScreen(s) (0)
#define WhitePixelOfScreen(s) (0)
#define DefaultColormapOfScreen(s) (0)
#define DefaultDepthOfScreen(s) (0)
#define DefaultGCOfScreen(s) (0)
#define DefaultVisualOfScreen(s) (0)
#define WidthOfScreen(s) (0)

// Windows: windef.h, minwindef.h, rpcndr.h, objbase.h
#define small char
#define near
#define far
#define interface struct
#define IN
#define OUT
#define OPTIONAL
#define CONST const
#define cdecl
#define pascal
#define FALSE 0
#define TRUE 1
#define BOOL int

// Apple: AssertMacros.h, objc.h, Types.h
#define check(assertion) ((void)0)
#define verify(assertion) ((void)0)
#define require(assertion, label) ((void)0)
#define check_noerr(error) ((void)0)
#define verify_noerr(error) ((void)0)
#define require_noerr(error, label) ((void)0)
#define nil 0
#define YES 1
#define NO 0

// C: <complex.h>, <tgmath.h>
#undef I
#define I _Complex_I
#define exp(x) unusable_of_c(x)
#define exp2(x) unusable_of_c(x)
#define log(x) unusable_of_c(x)
#define log2(x) unusable_of_c(x)
#define tanh(x) unusable_of_c(x)
#define erf(x) unusable_of_c(x)
#define sqrt(x) unusable_of_c(x)
#define sin(x) unusable_of_c(x)
#define cos(x) unusable_of_c(x)
#define ceil(x) unusable_of_c(x)
#define lround(x) unusable_of_c(x)
#define fma(x, y, z) unusable_of_c(x)
#define pow(x, y) unusable_of_c(x)

// POSIX and others, where they are macros
#define index(s, c) unusable_of_x11(s, c)
#define random unusable_random
#define select(a, b, c, d, e) unusable_select(a)
